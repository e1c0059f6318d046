# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # int8 that runs: what is really an integer?
#
# | you need | minutes (quick · full) | difficulty | in the article |
# |---|---|---|---|
# | lessons 00 to 02 and 05 | 2 · 5 | ●●●○ | 2.1, 4.3 case 2, 9 Q2 |
#
# The minutes are the machine's. Take an hour and a quarter for yourself.

# %% [markdown]
# **Afterwards you can**
#
# 1. say how many times smaller a model really gets, everything counted (exercise 6.1);
# 2. multiply matrices in integers, zero point included, and scale the result once (exercise 6.2);
# 3. tell weight-only, dynamic, static and quantization-aware int8 apart, by looking which products are integers and
#    where the scale of their activations comes from (a table that code fills in);
# 4. explain why a text may get another label in other company, and choose scales that prevent it (exercises 6.3 and
#    6.4);
# 5. spend a budget of bits where they help most (exercise 6.5).

# %% tags=["parameters"]
batch: int = 32  # texts in a batch, when we look whether neighbours change a label
average_bits: float = 4.0  # bits a weight, on average, that the mixed model may use, 2.25 to 8
seed: int = 0  # which neighbours the picture of moving scales draws
profile: str = "quick"  # quick: one fold · full: labels of all five folds are compared

# %%
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import torch

from labkit import exercise, fine_tune, load_task, predict, predict_once, record, reveal, runtime, show
from labkit.cache import default_cache
from labkit.plots import int8 as plots
from labkit.runtime import contents, mixed

task = load_task("bbc-headlines", fold=0)
teacher = fine_tune(task)
texts, truth = task.texts("test"), task.truth("test")
folder = Path(mkdtemp())  # for the model files of this lesson

# %% [markdown]
# ## 32 bits become 8. How many times smaller is the model?
#
# The article says that BERT needs a quarter of its memory when its weights have 8 bits instead of 32. PyTorch can do
# that in one line: `quantize_dynamic`. **How many times smaller does it make the file?**

# %%
predict("int8.pytorch-ratio", 4.0, unit="times smaller")  # ← your guess

# %%
eager = runtime.eager(teacher)
dynamic_torch = runtime.torch_dynamic(teacher)
ratio = eager.bytes / dynamic_torch.bytes
print(f"{eager.bytes / 1e6:.1f} MB before, {dynamic_torch.bytes / 1e6:.1f} MB after")
reveal("int8.pytorch-ratio", ratio)
record("torch-dynamic-ratio", ratio, unit="times smaller", expected=(1.4, 1.7))

# %% [markdown]
# A quarter of *what*? Let us count a small model on paper. An embedding of 30 rows and one layer of 20 rows, both 10
# wide:
#
# | matrix | weights | in float32 | in int8, a scale a row |
# |---|---|---|---|
# | embedding | 300 | 1,200 bytes | 300 + 30 · 4 = 420 |
# | layer | 200 | 800 bytes | 200 + 20 · 4 = 280 |
#
# With only the layer quantized, the file goes from 2,000 to 1,200 + 280 = 1,480 bytes: 1.35 times smaller, although the
# layer itself shrank almost three times. What is left alone soon dominates.
#
# ### Exercise 6.1 · ●○○○ · 6 minutes
#
# Write `file_ratio(shapes, quantized)`. `shapes` maps names to (rows, columns), `quantized` lists the names that become
# int8 with a float32 scale a row.


# %%
@exercise("int8.file_ratio")
def file_ratio(shapes, quantized):
    ...  # your code; file_ratio.hint() if you are stuck


# %% [markdown]
# Now on the real model. PyTorch's function replaces modules of the type `Linear`. An embedding is not one.

# %%
matrices = {name: tuple(p.shape) for name, p in teacher.model.named_parameters() if p.ndim == 2}
linear = [name for name in matrices if "embeddings" not in name]
print(f"by your formula, Linear layers only: {file_ratio(matrices, linear):.2f} times smaller")
print(f"by your formula, every matrix:       {file_ratio(matrices, list(matrices)):.2f} times smaller")
share = np.prod(matrices["bert.embeddings.word_embeddings.weight"]) / sum(np.prod(s) for s in matrices.values())
print(f"The word embedding holds {share:.0%} of the weights.")

# %% [markdown]
# An embedding is a look-up: each token picks its row, nothing is multiplied. ONNX is a file format: the weights,
# and a list of the operations that compute with them. onnxruntime, the other tool of this lesson, is a program that
# runs such a file. It quantizes look-ups too. We write the teacher to one ONNX file,
# which holds the tokenizer and the labels as well, and let onnxruntime make two int8 files of it. *Dynamic* and
# *static* will be explained below.

# %%
onnx_float = runtime.to_onnx(teacher, folder / "float32.onnx")
onnx_dynamic = runtime.dynamic(onnx_float, folder / "int8 dynamic.onnx")
onnx_static = runtime.static(onnx_float, folder / "int8 static.onnx", texts=task.texts("train")[:320])
files = {
    "PyTorch, float32": contents.stored_types(eager.model),
    "PyTorch, int8 dynamic": contents.stored_types(dynamic_torch.model),
    **{f"onnxruntime, {path.stem}": contents.bytes_by_type(path) for path in (onnx_float, onnx_dynamic, onnx_static)},
}

# %%
megabytes = {name: {} for name in files}
for name, found in files.items():
    for kind, size in found.items():
        kind = kind.removeprefix("u")  # uint8 and int8 are of one size
        megabytes[name][kind] = megabytes[name].get(kind, 0) + size / 1e6
show(
    plots.bytes_by_type(megabytes),
    alt="Bars of file sizes by type of number. " + "; ".join(
        f"{name}: " + ", ".join(f"{kind} {size:.1f} MB" for kind, size in found.items() if size > 0.05)
        for name, found in megabytes.items()),
)  # fmt: skip

# %%
sizes = {path.stem: path.stat().st_size / 1e6 for path in (onnx_float, onnx_dynamic, onnx_static)}
print({name: f"{size:.1f} MB" for name, size in sizes.items()})
record("onnx-int8-ratio", sizes["float32"] / sizes["int8 static"], unit="times smaller", expected=(3.7, 4.0))

# %% [markdown]
# The picture counts the numbers in a file, the line above the whole file. Your formula knows the matrices alone: what
# it leaves out are biases and normalisation, which stay in floats, the graph and the tokenizer.
#
# So "four times smaller" holds *if everything is quantized*. If half of the model stays in float32, the whole cannot be
# two times smaller, whatever happens to the other half.
#
# ## A product in integers
#
# A small file is one thing. Is anything *computed* in integers? A matrix product can be. Two numbers $s\,(q-z)$ and
# $t\,p$, where $q$ and $p$ are integers, have the product $s\,t\,(q-z)\,p$. The scales are the same for every term of a
# sum, so they come out of it:
#
# $$\sum_k x_{ik}\,w_{kj} = \underbrace{s\,t_j}_{\text{once}}\;\Big(\underbrace{\sum_k q_{ik}\,p_{kj}}_{\text{integers}}
# - z\underbrace{\sum_k p_{kj}}_{\text{known beforehand}}\Big)$$
#
# With numbers for paper: activations are stored as uint8 with scale 0.1 and zero point 128, so (138, 118) stands for
# (1, −1). Two columns of weights, scales 0.02 and 0.01:
#
# | | first column | second column |
# |---|---|---|
# | weights, as integers | 50, 10 | −20, 40 |
# | they stand for | 1.0, 0.2 | −0.2, 0.4 |
# | sum in integers | 138·50 + 118·10 = 8,080 | 138·(−20) + 118·40 = 1,960 |
# | minus the zero point's part | 8,080 − 128·(50 + 10) = 400 | 1,960 − 128·(−20 + 40) = −600 |
# | scaled once | 400 · 0.1 · 0.02 = 0.8 | −600 · 0.1 · 0.01 = −0.6 |
# | the same in real numbers | 1.0·1.0 − 1.0·0.2 = 0.8 | 1.0·(−0.2) − 1.0·0.4 = −0.6 |
#
# 8,080 does not fit into 8 bits, nor do hundreds of such terms fit into 16. The sum needs 32 bits. Processors have
# instructions for just that: many 8-bit products, summed in 32 bits, in one step.
#
# ### Exercise 6.2 · ●●●○ · 12 minutes
#
# Write `integer_matmul(a, b, a_scale, a_zero, b_scales)`: `a` is uint8 (rows, n), `b` is int8 (n, columns) with zero
# point 0 and a scale a column. Return the real-valued product.


# %%
@exercise("int8.integer_matmul")
def integer_matmul(a, b, a_scale, a_zero, b_scales):
    ...  # your code


# %% [markdown]
# Now a real product: what goes into the first feed-forward matrix for one headline, 384 numbers a token, times 384 ×
# 1,536 weights.

# %%
from labkit.runtime.products import columns_to_int8

weight = teacher.model.bert.encoder.layer[0].intermediate.dense.weight.detach().numpy().T
x = runtime.activations(teacher, texts[:1], "layer.0.up")[0]
scale = (x.max() - x.min()) / 255
zero = round(float(-x.min() / scale))
a = np.clip(np.rint(x / scale) + zero, 0, 255).astype(np.uint8)
b, b_scales = columns_to_int8(weight)
mine, exact = integer_matmul(a, b, scale, zero, b_scales), x @ weight
by_torch = scale * b_scales * ((torch.tensor(a).int() - zero) @ torch.tensor(b).int()).numpy()
error = float(np.linalg.norm(mine - exact) / np.linalg.norm(exact))
print(f"from float32: {error:.2%} of the norm; from the same integers in PyTorch: {np.abs(mine - by_torch).max():.1g}")
record("integer-product-error", error, unit="of the norm", expected=(0.001, 0.05))

# %% [markdown]
# The integers are multiplied without an error: what is lost, was lost in rounding. In whose rounding? Round one side
# alone:

# %%
rounded_x = scale * (a.astype(np.float32) - zero)
for what, product in (("weights", x @ (b * b_scales)), ("activations", rounded_x @ weight), ("both", mine)):
    print(f"rounded: {what:12} {np.linalg.norm(product - exact) / np.linalg.norm(exact):.2%} of the norm")
print(f"activations: largest size {np.abs(x).max():.1f}, standard deviation {x.std():.2f}")

# %% [markdown]
# Nearly all of it comes from the activations. Each column of the weights has a scale of its own; the activations have
# one, and their largest number, far beyond the others, sets the step for all.
#
# ## Four things are called int8
#
# Four things are sold as "int8":
#
# - *weight-only*: the weights become integers;
# - *dynamic*: the activations become integers too, with a scale that is found anew for each batch;
# - *static*: the same, with a scale that was found beforehand, on training text;
# - *quantization-aware training*: rounding takes part in the training.
#
# We need not trust such words: a file can be asked what runs in it. Two int8 files are there already. We write six
# more, of few and large operations, which we call *fused* (why, comes below):
#
# - *fused float*: float32, to compare with;
# - *fused static*: static int8;
# - *fused weights* and *fused weights 4*: weight-only, with 8 and with 4 bits;
# - *fused groups*: as dynamic, but each 32 numbers of a token get a scale of their own;
# - *fused careful*: static, with groups in one kind of product (the reason comes below, too).
#
# The teacher has 38 products with weights: 36 in its six layers and 2 in its head. **In how many of them are integers
# multiplied when only the weights are int8?**

# %%
predict("int8.integer-products-weight-only", 38, unit="products")  # ← your guess

# %%
some = task.texts("train")[:320]
fused = {
    kind: runtime.fused(teacher, folder / f"fused {kind}.onnx", kind=kind, texts=some)
    for kind in ("float", "static", "groups", "careful", "weights", "weights 4")
}
paths = {path.stem: path for path in (onnx_float, onnx_dynamic, onnx_static, *fused.values())}
counted = {name: contents.products(path) for name, path in paths.items()}
print(f"{'file':18} {'MB':>5}   products in integers · in floats")
for name, (integers, floats) in counted.items():
    print(f"{name:18} {paths[name].stat().st_size / 1e6:5.1f}   {integers:6} · {floats}")
reveal("int8.integer-products-weight-only", counted["fused weights"][0])

# %% [markdown]
# (The two products inside attention have no weights: the dynamic file leaves these twelve in floats, the static one
# takes them too. In our own files attention is one operation, which computes in floats in all of them and is not
# counted here. Query, key and value are one product in each layer but the last, where they are two; so there are
# fewer.) Look at the megabytes of the two weight-only files: half of the bits is not half of the file, since the
# embedding has 8 bits in both.
#
# And quantization-aware training? Lesson 05 rounded weights while it trained. What did PyTorch multiply there?

# %%
everything = dict.fromkeys(mixed.parts(teacher.model), 8)
prepared = mixed.with_bits(teacher, everything)  # the weights that a quantization-aware step computes with
name = "bert.encoder.layer.0.intermediate.dense.weight"
row = prepared.model.get_parameter(name)[0].detach()
print(f"stored and multiplied as {row.dtype}")
print(f"the integers behind them: {prepared.encodings[name].integers.dtype}, kept apart for the packed file")
record("integer-products-static", counted["int8 static"][0], unit="products")
print("the first weights, divided by their scale:", (row[:8] / prepared.encodings[name].scales[0, 0].float()).tolist())

# %% [markdown]
# Divided by their scale they are whole numbers: floats that *could* be integers. Somebody has to convert them, or
# nothing gets smaller or faster. Now the four side by side. Operations that find a scale as the batch comes have
# `Dynamic` in their name; `QuantizeLinear` rounds with a scale that stands in the file.

# %%
kinds = {"weight-only": fused["weights"], "dynamic": onnx_dynamic, "static": onnx_static}
print(f"{'':20} {'most bytes are':15} {'products int · float':21} rounds activations by")
for kind, path in kinds.items():
    stored = next(iter(contents.bytes_by_type(path))).removeprefix("u")  # the largest comes first
    rounding = [name for name in contents.operations(path) if "Quantize" in name]
    integers, floats = contents.products(path)
    print(f"{kind:20} {stored:15} {f'{integers} · {floats}':21} {', '.join(rounding) or 'nothing'}")
stored = next(iter(contents.stored_types(prepared.model)))
print(f"{'quantization-aware':20} {stored:15} {f'0 · {len(linear)}':21} nothing")

# %% [markdown]
# (The last line is the model in training, as PyTorch computes it: it is *prepared* for one of the other three.)
#
# ## The neighbours decide
#
# The same headlines, once one at a time, once 32 at a time. Padding is masked, no text sees another. In float32 that
# should change no label, unless two topics are tied to the last digit.
#
# **How many labels change with PyTorch's dynamic int8?**

# %%
predict("int8.flips-torch-dynamic", 0, unit="labels")  # ← your guess

# %%
variants = {"PyTorch, float32": eager, "PyTorch, int8 dynamic": dynamic_torch}
variants |= {f"onnxruntime, {name}": runtime.session(path) for name, path in paths.items() if "weights" not in name}
flips = {name: runtime.flips(one, texts, batch_size=batch, cache=default_cache()) for name, one in variants.items()}
for name, count in flips.items():
    print(f"{name:32} {count:3} of {len(texts)} labels change")
reveal("int8.flips-torch-dynamic", flips["PyTorch, int8 dynamic"])

# %% [markdown]
# How can that be? Dynamic quantization asks the activations how large they are before each product, and takes *one*
# scale for all that came: for the whole batch. If another text in the batch has one large activation, the steps become
# coarse for everyone. The label of a headline then depends on who sits beside it. Take one headline, put it into many
# batches, and look at the scale that the last product of the fifth layer gets. (Padding counts as well: it is masked in
# attention, but its activations are numbers like others.)

# %%
random = np.random.default_rng(seed)
product, one = "layer.4.down", texts[0]


def step_of(company):
    seen = runtime.activations(teacher, company, product)
    return float((seen.max() - min(0.0, seen.min())) / 255)


batches = {size: [step_of([one, *random.choice(texts, size=size - 1)]) for _ in range(12)] for size in (1, 2, 8, 32)}
low, high = runtime.calibrate(teacher, some)[product]

# %%
show(
    plots.moving_scales(batches, {"found once, on training text": (high - min(0.0, low)) / 255}),
    alt="One dot for each batch: the scale that the same headline's activations get. Alone always the same, "
    f"{batches[1][0]:.3f}; in batches of 32 from {min(batches[32]):.3f} to {max(batches[32]):.3f}. "
    "A horizontal line shows the static scale.",
)
growth = float(np.median(batches[32]) / batches[1][0])
record("scale-grows-in-company", growth, unit="times the scale alone", expected=(1.3, 4.0))

# %% [markdown]
# The static step is about as coarse as that of a full batch: it, too, must reach the largest of many texts. It is
# steadier, not finer.
#
# Two ways out. **A scale a token**: each row of the activations gets its own. The row of a headline's token is the same
# in any company, so its integers are too. **A static scale**: found once on training text, it looks at nobody.
# Finding it is called *calibration*.
#
# ### Exercise 6.3 · ●●○○ · 8 minutes
#
# Write `token_scales(x)`: each row of `x` is rounded to integers from −127 to 127 with a scale of its own; the largest
# size in a row becomes 127. A row may be all zeros; give it scale 1. Return the integers, and one scale a row.


# %%
@exercise("int8.token_scales")
def token_scales(x):
    ...  # your code


# %%
alone = runtime.activations(teacher, [one], product)[0]
for other in (texts[1], texts[2]):
    both = runtime.activations(teacher, [one, other], product)
    together = both[0][: len(alone)]
    same = (np.asarray(token_scales(alone)[0]) == np.asarray(token_scales(together)[0])).mean()
    steps = (np.rint(127 * part / np.abs(whole).max()) for part, whole in ((alone, alone), (together, both)))
    of_batch = np.equal(*steps).mean()
    print(f"beside {other[:40]!r} the headline keeps {same:.3%} of its integers with a scale a token, "
          f"{of_batch:.0%} with one a batch")

# %% [markdown]
# (Should it not be quite all with a scale a token: float sums are added in another order in another batch, and a number
# at the border between two integers may fall to the other side.)
#
# ### Exercise 6.4 · ●●○○ · 8 minutes
#
# Write `calibrated(batches)`: scale and zero point for uint8, which runs from 0 to 255, from batches of activations.
# The range must cover all that was seen, and zero. Return the scale and the whole zero point.


# %%
@exercise("int8.calibrated")
def calibrated(batches):
    ...  # your code


# %%
seen = [runtime.activations(teacher, some[start : start + 32], product) for start in range(0, len(some), 32)]
for count in (3, len(seen)):
    found_scale, found_zero = calibrated(seen[:count])
    print(f"{32 * count:3} training texts: scale {found_scale:.4f}, zero point {found_zero}, "
          f"{-found_zero * found_scale:.2f} to {(255 - found_zero) * found_scale:.2f}")
largest = runtime.calibrate(teacher, texts[:128])[product][1]
print(f"the largest activation among 128 test headlines: {largest:.2f}")

# %% [markdown]
# The second line is the one in the picture. An activation beyond the range is clipped: that is the price of a static
# scale. Compare the two lines: with too few texts the range comes out too short, hence a few hundred, *like those to
# come*. What does all this cost in F1? All variants on the same headlines, in pairs with float32:

# %%
from labkit.statistics import compare, f1_interval, macro_f1

before = predict_once(eager, texts)
losses = {name: compare(truth, predict_once(one, texts), before) for name, one in variants.items() if one is not eager}
for name, loss in losses.items():
    print(f"{name:32} lost {loss.points()}")
for kind in ("static", "careful"):
    loss = losses[f"onnxruntime, fused {kind}"]
    interval = (100 * loss.low, 100 * loss.high)
    record(f"loss-{kind}", 100 * loss.value, unit="points", expected=(-1.5, 2.5), interval=interval)

# %% [markdown]
# (The dynamic rows are F1 in batches of 32, since their labels depend on the batch.) Where an interval lies above zero,
# the loss is more than luck; with one fold the intervals are wide. To see more, look at the answers before they become
# labels. For each headline take the five probabilities before, $p$, and after, $q$. Their Kullback-Leibler divergence
#
# $$\sum_k p_k \ln \frac{p_k}{q_k}$$
#
# in nats, is 0 where nothing moved. We take the mean over the headlines.
#
# In which products does a static scale hurt? After the activation function GELU stand thousands of small numbers and a
# few large ones. One scale for all of them must reach the largest, and rounds the small ones away. How many become zero
# with the static scale, after GELU and before two other products of the first layer?

# %%
places = {f"after GELU, layer {n}": f"layer.{n}.down" for n in range(6)}
places |= {"into up, layer 0": "layer.0.up", "into query-key-value, layer 0": "layer.0.query-key-value"}
ranges = runtime.calibrate(teacher, some)
for words, name in places.items():
    sizes_in, (low, high) = np.abs(runtime.activations(teacher, texts[:32], name)), ranges[name]
    zeros = (sizes_in < (max(high, 0.0) - min(low, 0.0)) / 255 / 2).mean()
    print(f"{words:30} {zeros:4.0%} become zero; largest size {sizes_in.max():4.1f}, median {np.median(sizes_in):.2f}")

# %%
answers_before = eager.logits(texts)
for kind in ("static", "careful", "groups"):
    nats = mixed.divergence(answers_before, variants[f"onnxruntime, fused {kind}"].logits(texts))
    print(f"fused {kind:8} {nats:.5f} nats from float32")
    record(f"divergence-{kind}", nats, unit="nats")

# %% [markdown]
# Where the largest is far from the median, more is rounded away: compare the layers, and after GELU with the last two
# lines. *Careful*
# gives the products after GELU, and only those, a scale for each 32 numbers. It is nearer to float32 than static, and
# looks at no neighbour either. The other products still cost something, as *groups* shows, which does so everywhere.
# The race below tells what each takes.
#
# In the full profile, the flips once more over all five folds: every headline of the data set, each with a teacher that
# never saw it.

# %%
folds = (0,) if profile == "quick" else (0, 1, 2, 3, 4)
total = {"PyTorch, int8 dynamic": 0, "fused careful": 0}
for number in folds:
    fold = load_task("bbc-headlines", fold=number)
    own = fine_tune(fold)
    steady = runtime.fused(own, folder / "one fold.onnx", kind="careful", texts=fold.texts("train")[:320])
    pair = {"PyTorch, int8 dynamic": runtime.torch_dynamic(own), "fused careful": runtime.session(steady)}
    for name, one_of in pair.items():
        total[name] += runtime.flips(one_of, fold.texts("test"), batch_size=batch, cache=default_cache())
print(f"{len(folds)} fold(s): {total}")
record("flips-torch-dynamic", total["PyTorch, int8 dynamic"], unit="labels", folds=len(folds))
record("flips-careful", total["fused careful"], unit="labels", expected=(0, 0), folds=len(folds))

# %% [markdown]
# ## Is it fast?
#
# One headline, the model alone. All in one race, in turn, with the same threads. **How long does our *fused static*
# file take, compared with PyTorch in float32?**

# %%
predict("int8.time-ratio", 0.5, unit="of PyTorch's time")  # ← your guess

# %%
from labkit import KeepLayers, Policy
from labkit.batches import encode, pad
from labkit.latency import race

two = Policy([KeepLayers(2)]).apply(teacher, task)
small = runtime.session(runtime.fused(two, folder / "2 layers.onnx", kind="careful", texts=some))
rivals = variants | {"onnxruntime, 2 layers, fused careful": small}
rivals |= {f"onnxruntime, {name}": runtime.session(paths[name]) for name in ("fused weights", "fused weights 4")}
headline = pad(encode(teacher.tokenizer, ["Profits at the bank rise for the third year in a row"]))
with torch.inference_mode():
    calls = {name: lambda one=one: one.model(**headline) for name, one in rivals.items()}
    # Calls of each model before the one that is timed: until the threads of the others rest, and the cache is its own.
    times = race(calls, rounds=10 if profile == "quick" else 40, settle=12)
reveal("int8.time-ratio", times["onnxruntime, fused static"].ratio)

# %%
from labkit.plots.pruning import bars

ratios = {name.replace("onnxruntime", "ort"): time.ratio for name, time in times.items()}
spread = {name.replace("onnxruntime", "ort"): (time.low, time.high) for name, time in times.items()}
threads = torch.get_num_threads()
chart = bars(ratios, title=f"One headline, {threads} thread{'s' if threads > 1 else ''}", form="{:.2f}", spread=spread,
             xlabel="time, PyTorch float32 = 1 (black lines: 95 % interval over the rounds)")  # fmt: skip
show(chart, alt="Time against PyTorch: " + ", ".join(f"{name} {r:.2f}" for name, r in ratios.items()))
record("time-ratio-static", ratios["ort, fused static"], unit="of PyTorch's time", expected=(0.05, 0.6))
record("time-ratio-2-layers", ratios["ort, 2 layers, fused careful"], unit="of PyTorch's time", expected=(0.01, 0.3))

# %% [markdown]
# (*ort* is onnxruntime. The model of two layers is only a rival in a race. It was not trained after the cut, and its
# answers are poor. A trained one takes the same time.)
#
# From the first bar to *fused static* is not one step. Three things changed on the way: another program runs the model,
# still in floats; then products became integers; then there were fewer operations. A file of ours, *fused*, holds the
# same weights in fewer operations: query, key and value in one product, attention in one node, the sum and its
# normalisation in one node. And in the last layer it computes the first token alone, since nobody reads the others.
# None of this changes an answer. **Which step was the largest?**

# %%
steps = [
    ("another program, in floats", "PyTorch, float32", "ort, float32"),
    ("integers, their files", "ort, float32", "ort, int8 dynamic"),
    ("integers, our files", "ort, fused float", "ort, fused static"),
    ("fewer operations, in floats", "ort, float32", "ort, fused float"),
    ("fewer operations, in integers", "ort, int8 static", "ort, fused static"),
]
for what, first, then in steps:
    print(f"{what:30} {first:17} → {then:18} {ratios[first] / ratios[then]:4.1f} times faster")

# %% [markdown]
# Where two black lines of the figure overlap, do not trust a small step between them. How many operations are there?

# %%
for name in ("float32", "int8 dynamic", "int8 static", "fused float", "fused static"):
    found = contents.operations(paths[name])
    most = ", ".join(f"{n} {kind}" for kind, n in list(found.items())[:4])
    print(f"{name:14} {sum(found.values()):4} operations, such as {most}")
record("operations-fused-static", sum(contents.operations(paths["fused static"]).values()), unit="operations")

# %% [markdown]
# *int8 static* has more operations than float32, because rounding and its way back are operations too. And their number
# alone does not say how long a file takes: compare *int8 dynamic* and *fused static*, here and in the figure.
#
# Did the weight-only files win anything, beside *fused float*? If not, this is why: their weights become floats again
# on the way into each product. For 4 bits onnxruntime has a fast way to do so. For 8 bits it has none at the accuracy
# that we ask for (its [pull request 24959](https://github.com/microsoft/onnxruntime/pull/24959)), and unpacks the whole
# matrix at each product. Weight-only pays where reading weights from memory is the limit, in models of billions of
# weights.
#
# ## Not every part needs the same bits
#
# Below 8 bits, rounding begins to hurt; lesson 05 showed it. Does it hurt everywhere alike? We round one part at a
# time, leave all others in float32, and measure how far the *answers* move: their divergence, as above. It moves long
# before a label flips, so few headlines do: we take 120 of the validation headlines. The test headlines shall not
# choose anything.
#
# The word embedding holds about half of the weights. In one piece it would outweigh all the rest, so we cut it into six
# blocks of rows; the vocabulary begins with frequent words and ends with rare ones. **With 3 bits, how much of all
# damage comes from the word embedding?**

# %%
predict("int8.words-share-of-damage", 50, unit="% of the damage")  # ← your guess

# %%
from labkit.widgets.int8 import Prices, scan

held_out = task.texts("validation")[:120]
measured, damage = scan(teacher, held_out, cache=default_cache())
total_damage = sum(row[3] for row in measured.values())
from_words = sum(row[3] for part, row in measured.items() if part.startswith("words"))
reveal("int8.words-share-of-damage", 100 * from_words / total_damage)
show(
    plots.damage_map(measured, damage),
    alt="A table of divergences, parts downwards, bits across. With 3 bits: "
    + ", ".join(f"{part} {row[3]:.2g}" for part, row in measured.items()) + " nats.",
)  # fmt: skip

# %% [markdown]
# Why is it less than the words' share of the weights, if it is? A rare word's row is seldom looked up, so its rounding
# seldom matters: compare the first block with the last. And an error in an early layer passes through all later ones:
# compare the feed-forward parts of layers 0 and 5.
#
# 2, 3 and 4 bits were measured, on 120 headlines. With so few, a part may come out worse with 4 bits than with 3; look
# for one. Beyond 4 bits nothing is measured: we assume that each bit halves the rounding error, so that the divergence,
# which grows with its square, is quartered. For shopping we smooth each row, the assumed part included: no further bit
# saves more than the one before.
#
# If the parts' damages add up, at least roughly, then we can shop. (Whether they do, we will see below.) All parts
# begin with 2 bits. Then each bit goes where it takes away the most damage for its price, and one more bit for a part
# costs as many bits as it has weights.
#
# ### Exercise 6.5 · ●●●○ · 15 minutes
#
# Write `spend_bits(weights, damage, budget)`: lists of the parts' numbers of weights and damages
# (`damage[part][bits]`), and a budget in bits. All parts begin with 2 bits. Then buy one bit at a time: among the parts
# that have fewer than 8 and whose bit still fits into the budget, take the one whose bit saves the most damage per
# weight. End when none fits. Return a list: the bits of each part.


# %%
@exercise("int8.spend_bits")
def spend_bits(weights, damage, budget):
    ...  # your code


# %%
prices = Prices.of(teacher, damage)
names, counts = list(prices.weights), list(prices.weights.values())


def mix(average):
    bits = spend_bits(counts, [damage[name] for name in names], average * sum(counts))
    return dict(zip(names, map(int, bits), strict=True))


chosen = mix(average_bits)
print(f"{prices.size(chosen):.2f} MB:", ", ".join(f"{name} {bits}" for name, bits in chosen.items()))

# %% [markdown]
# That is *mixed-precision quantization*. Does it help? The same number of bytes, once with the same bits for every part
# and once spent. F1 on the test headlines, which had no part in the choice:

# %%
series = {"the same bits for all": [], "spent where it helps": []}
answers = {}
choices = {("the same bits for all", average): dict.fromkeys(names, average) for average in (2, 3, 4)}
choices |= {("spent where it helps", a): mix(a) for a in sorted({2.25, 2.5, 3, 4, average_bits})}
for (name, average), bits in choices.items():
    answers[name, average] = predict_once(mixed.with_bits(teacher, bits), texts)
    series[name].append((prices.size(bits), f1_interval(truth, answers[name, average])))
show(
    plots.size_against_f1(series, teacher=macro_f1(truth, before)),
    alt="Macro-F1 against megabytes of weights. " + "; ".join(
        f"{name}: " + ", ".join(f"{size:.1f} MB {f1.value:.3f}" for size, f1 in points)
        for name, points in series.items()),
)  # fmt: skip

# %%
gain = compare(truth, answers["the same bits for all", 3], answers["spent where it helps", 3])
print(f"at 3 bits a weight, on average, spending them gains {gain.points()}")
record("mixed-gain-3-bits", 100 * gain.value, unit="points", interval=(100 * gain.low, 100 * gain.high))

# %% [markdown]
# If the interval holds zero, one fold cannot tell this from luck. The answers say more than the labels: see the
# divergences below. (In the figure, compare at 3 and at 4 bits for all. Between 2 and 3 bits the same bits for all has
# no point of its own; the line there is only drawn.)
#
# The article, asked how to avoid the loss of quantization, recommends mixed-precision **training**. It is another thing
# under a similar name: in training, products are computed in 16 bits while the weights stay in 32, to save time, and
# memory for activations. What does it do to the weights that we round? Four steps of it, and the same four in float32:

# %%
def four_steps(mixed_precision):
    trained = teacher.copy()
    optimizer = torch.optim.AdamW(trained.model.parameters(), lr=2e-5)
    for _ in range(4):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=mixed_precision):
            logits = trained.model(**rows).logits
        torch.nn.functional.cross_entropy(logits.float(), labels).backward()
        optimizer.step()
        optimizer.zero_grad()
    kept, size = next(trained.model.parameters()).dtype, runtime.eager(trained).bytes / 1e6
    print(f"products in {logits.dtype}, weights in {kept}, file {size:.1f} MB")
    return trained


# %%
rows = pad(encode(teacher.tokenizer, task.texts("train")[:32]))
labels = torch.as_tensor(task.truth("train")[:32])
steps_taken = {"mixed precision": four_steps(True), "float32": four_steps(False)}
weight_type = next(steps_taken["mixed precision"].model.parameters()).dtype


# %%
def moved(one, bits):
    return mixed.divergence(one.logits(texts), mixed.with_bits(one, bits).logits(texts))


four = dict.fromkeys(names, 4)
plain, spent = moved(teacher, four), moved(teacher, mix(4))
after = {name: moved(one, four) for name, one in steps_taken.items()}
print(f"4 bits for all parts: {plain:.4f} nats")
for name, nats in after.items():
    print(f"  the same after four steps in {name}: {nats:.4f}")
print(f"mixed-precision quantization of the same size: {spent:.4f} nats")
record("divergence-4-bits-uniform", plain, unit="nats")
record("divergence-4-bits-mixed", spent, unit="nats")

# %% [markdown]
# Four steps prove little about training. What decides is the line above: the weights are 32-bit floats as before, so
# there is just as much to round. (It can *speed up* training, where the processor has units for 16-bit products.)
#
# And do the damages of single parts add up? On the left what was measured one by one, as it is and smoothed; on the
# right all parts at once. (The texts differ: there validation headlines, here test headlines.)

# %%
apart = sum(row[4] for row in measured.values())
print(f"4 bits, part by part: {apart:.4f} measured, {prices.cost(four):.4f} smoothed · all at once: {plain:.4f} nats")
print(f"spent, part by part: {prices.cost(mix(4)):.4f} smoothed · all at once: {spent:.4f} nats")

# %% [markdown]
# If the two sides are of one order, the sum is good enough to shop by, though not to promise a divergence.
#
# ## Tune it
#
# A budget in megabytes; the bars on the left are the bits that each part gets. You may pin the bits of one part, and
# the others share what is left. **Measure** rounds the real model so, runs it, and adds the point.
#
# Find out: what does it cost to give the frequent words 8 bits? Which part gets its eighth bit first? How far is the
# sum of the single damages from what you measure?

# %%
from labkit.widgets import int8 as widget
from labkit.widgets.panel import static as still

panel = widget.panel(teacher, task, held_out, damage)
panel

# %% [markdown]
# The same at its first setting, for readers of a page without a kernel:

# %%
still(widget.view, prices=prices, **panel.params)

# %% [markdown]
# ## The article says, we measured

# %%
from labkit.claims import verdicts

verdicts({
    "C04": "products in integers: "
    + "; ".join(f"{name}: {n}" for name, (n, _) in counted.items() if "float" not in name),
    "C21": f"PyTorch's dynamic int8 {ratio:.2f}×, because the embedding stays in float32; everything in int8 "
    f"{sizes['float32'] / sizes['int8 static']:.2f}×",
    "C47": f"mixed-precision training leaves weights in {weight_type}, so there is just as much to round: 4 bits cost "
    f"{after['mixed precision']:.4f} nats after four steps of it, {after['float32']:.4f} after the same in float32, "
    f"{plain:.4f} without; mixed-precision quantization of the same size: {spent:.4f}",
})  # fmt: skip

# %% [markdown]
# ## Recap
#
# - Four times smaller, if everything is quantized; what stays in float32 soon dominates the file.
# - A product in integers: 8-bit numbers in, 32-bit sums, the zero point taken off, the scales multiplied in once.
# - Weight-only, dynamic, static and quantization-aware are different things. Ask the file which products run in
#   integers.
# - One scale for a whole batch makes a label depend on its neighbours. A scale a token, or a static one, does not.
# - Before you thank the integers for a speedup, compare with floats in the same program.
# - Some parts suffer more from rounding than others: measure, then spend bits where they help. The answers stay closer;
#   a gain in F1 is one only if its interval leaves zero out. Mixed-precision training is about something else.
#
# ## Further reading
#
# - Jacob et al.: *Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference*, CVPR
#   2018, [arXiv 1712.05877](https://arxiv.org/abs/1712.05877). The arithmetic of this lesson.
# - Wu et al.: *Integer Quantization for Deep Learning Inference*, 2020, [arXiv
#   2004.09602](https://arxiv.org/abs/2004.09602).
# - Zafrir et al.: *Q8BERT: Quantized 8Bit BERT*, 2019, [arXiv 1910.06188](https://arxiv.org/abs/1910.06188).
# - Yao et al.: *ZeroQuant*, NeurIPS 2022, [arXiv 2206.01861](https://arxiv.org/abs/2206.01861). A scale a token.
# - Dong et al.: *HAWQ*, ICCV 2019, [arXiv 1905.03696](https://arxiv.org/abs/1905.03696). More bits for sensitive
#   layers.
# - Micikevicius et al.: *Mixed Precision Training*, ICLR 2018, [arXiv 1710.03740](https://arxiv.org/abs/1710.03740).
