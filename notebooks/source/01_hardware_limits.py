# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Hardware limits: will it fit, and what will it wait for?
#
# | you need | minutes (quick · full) | difficulty | in the article |
# |---|---|---|---|
# | lesson 00 | 1 · 2 | ●●○○ | 2.1, 2.2, 3.1, 9 Q5 |
#
# The minutes are the machine's. Take an hour for yourself.

# %% [markdown]
# **Afterwards you can**
#
# 1. count the parameters of a transformer from its configuration (exercise 1.1), and say which models are
#    large;
# 2. say how much memory a model needs to predict and to be trained, before you try (exercise 1.2), within a
#    few percent of what is measured;
# 3. draw the roofline of your machine, and say for any computation whether it waits for arithmetic or for
#    memory (exercise 1.3);
# 4. put pre-training, fine-tuning, compression and distribution in an order that is possible;
# 5. say which of three limits a growing model meets first (the last figure).

# %% tags=["parameters"]
seed: int = 0  # nothing here is random but the weights of the models that are timed
profile: str = "quick"  # quick | full
batch: int = 32  # texts at a time, where a model is trained
length: int = 32  # tokens in each of them
threads: int = 1  # that compute in what is timed here: one is the steadiest

# %%
import pandas as pd

from labkit import exercise, predict, probe, record, reveal, show
from labkit.cache import default_cache
from labkit.claims import verdicts
from labkit.hardware import SHAPES, measured, order, parameters, parameters_by_part, tables
from labkit.plots import hardware as plots

pd.set_option("display.max_colwidth", None)
machine = probe()
print(machine.label())

# %% [markdown]
# ## 1. How large is a large model?
#
# The article calls a model large when it has a billion parameters or more, and its first example is BERT. A
# parameter is one number that training sets: an entry of a matrix, a bias, a scale. How many does BERT-base
# have?

# %%
predict("hardware-bert-base-parameters", 1000, unit="million")  # ← your guess, in place of the number

# %% [markdown]
# You do not need the model to count them. Its configuration is enough:
#
# | name | in BERT-base | what it is |
# |---|---|---|
# | $V$ | 30,522 | tokens it knows: words and pieces of words (rows of the word embedding) |
# | $P$ | 512 | longest text, in tokens |
# | $l$ | 12 | layers |
# | $h$ | 768 | numbers that stand for one token |
# | $i$ | 3,072 | width of the feed-forward part |
#
# A dense layer from $m$ to $n$ numbers has $m \cdot n$ weights and $n$ biases. A layer norm scales and
# shifts each of its inputs: 2 parameters a number. Take a toy BERT with $h=4$ and $i=8$. One of its layers
# has
#
# | part | parameters |
# |---|---|
# | query, key, value, output: four dense layers 4 → 4 | 4 · (16 + 4) = 80 |
# | feed-forward: 4 → 8 and 8 → 4 | (32 + 8) + (32 + 4) = 76 |
# | two norms | 2 · 8 = 16 |
# | **together** | **172** |
#
# Around the layers there are the embeddings with one norm, and the *pooler*, a dense layer $h \to h$ on
# the first token. An embedding is a table with a row of $h$ numbers for each word, for each position, and
# for each of two kinds of *segment* (BERT can read two texts at once: is a token in the first or in the
# second?). The attention works in several *heads* side by side. They are not in the table: they share the
# $h$ numbers among them. What all these parts do is for lesson 04; here you only count them.

# %% [markdown]
# ### Exercise 1.1 · ●●○○ · 12 minutes
# Write `bert_parameters(...)`: all parameters of a BERT with two kinds of segment and a pooler, from its
# configuration. The toy with 10 words, 6 positions and 2 layers has 444.

# %%
@exercise("hardware.bert_parameters")
def bert_parameters(vocabulary, positions, layers, hidden, intermediate, heads):
    ...   # your code


# %% [markdown]
# The same count for BERT-base, against the model itself. (On torch's `meta` device a model has shapes and
# no numbers, so even GPT-3 would fit.)

# %%
import torch
from transformers import BertConfig, BertModel

with torch.device("meta"):
    model = BertModel(BertConfig())
counted = sum(parameter.numel() for parameter in model.parameters())
yours = bert_parameters(30_522, 512, 12, 768, 3072, 12)
print(f"the model has {counted:,}, your function says {yours:,}")
reveal("hardware-bert-base-parameters", counted / 1e6)
record("bert-base-parameters", counted, expected=(109_482_240, 109_482_240))

# %% tags=["nbval-check-output"]
pd.DataFrame({name: parameters_by_part(SHAPES[name]) for name in ("MiniLM", "BERT-base", "BERT-large")})

# %% [markdown]
# Look at the first line against the others: in the small model half of all parameters are the word
# embedding. You will meet that again when you compress it. And here are all of them, with two later models:

# %%
counts = {name: parameters(shape) for name, shape in SHAPES.items()}
show(
    plots.parameter_counts(counts),
    alt="Bars of parameter counts on a logarithmic scale with a line at a billion. MiniLM, BERT-base, "
    "BERT-large and GPT-2 end before the line, GPT-2 XL just after it, GPT-3 more than a hundred times further.",
)

# %% [markdown]
# Both BERTs lie clearly under the billion: by the article's own border they are not large models. What is
# large, then? There is no border in nature. A model is too large *for something*: for a memory, for a time
# limit, for a link. So let us measure those.

# %% [markdown]
# ## 2. Three limits of this machine
#
# The article names three: arithmetic, storage, bandwidth. That list is right, and each can be measured. A
# **FLOP** is one multiplication or one addition of floating-point numbers; 1 GFLOP/s is a billion of them
# a second, 1 GB/s a billion bytes. (*fp32*: in 32-bit floats. *One thread*: one core at work. *Copying*
# counts the bytes read and the bytes written; lesson 00 asked for reading alone, which can be another
# number.)

# %%
limits = {
    "arithmetic, fp32, all threads": (machine.gflop_s, "GFLOP/s"),
    "arithmetic, fp32, one thread": (machine.gflop_s_one_thread, "GFLOP/s"),
    "memory bandwidth, copying": (machine.bandwidth_gb_s, "GB/s"),
    "memory": (machine.memory_bytes / 1e9, "GB"),
    "free disk": (machine.disk_free_bytes / 1e9, "GB"),
}
record("peak-fp32", machine.gflop_s, unit="GFLOP/s", threads=machine.threads)
record("copy-bandwidth", machine.bandwidth_gb_s, unit="GB/s")
pd.DataFrame(limits, index=["measured", "unit"]).T

# %% [markdown]
# Each limit asks its own question. Storage: *does it fit?* Arithmetic and bandwidth: *how long does it
# take, and which of the two am I waiting for?* We take them in this order.

# %% [markdown]
# ## 3. Does it fit?
#
# To predict, a model needs its weights: 4 bytes each in 32-bit floats, so about 91 MB for MiniLM, the model
# of this workbook. Now **train** it, with Adam, on a batch of texts (the parameters above say how many).
# How much memory does that take at its highest, the libraries not counted?

# %%
predict("hardware-training-memory", 180, unit="MB")  # ← your guess

# %%
sizes = {"MiniLM": (batch, length), "BERT-base": (2, 32)}
if profile == "full":
    sizes |= {"BERT-base": (8, 64), "BERT-large": (4, 64)}
sizes = tables.that_fit(sizes, memory=machine.memory_free_bytes)
steps = measured.measure_training(sizes, threads=threads, count_in=["MiniLM"], cache=default_cache())
found = steps["MiniLM"]
reveal("hardware-training-memory", found.peak_bytes / 1e6)

# %% [markdown]
# That was a real model in a process of its own, trained for two steps, while the system kept note of its
# highest memory. (Larger models were trained beside it where they fit; you will see them in a moment.
# When you run the cell again, you see what this machine answered the first time.) Where does the memory
# go? The article says: parameters and intermediate results. Follow one weight through a step to see what
# is missing:
#
# | | values | bytes |
# |---|---|---|
# | the weight | 0.31 | 4 |
# | its gradient, from the backward pass | −0.02 | 4 |
# | Adam's mean of past gradients | −0.01 | 4 |
# | Adam's mean of their squares | 0.0003 | 4 |
# | **together** | | **16** |
#
# So each parameter costs 16 bytes, however few texts there are. Adam's two means are called its
# **moments**. (In *mixed precision* it is a 16-bit weight and gradient, and a 32-bit copy beside the two
# moments: 2 + 2 + 4 + 8, again 16.) The intermediate results, called **activations**, come on top, and
# they grow with the batch: the backward pass needs what the forward pass computed.

# %% [markdown]
# ### Exercise 1.2 · ●●○○ · 8 minutes
# Write `training_bytes(...)` for three optimizers: plain `"sgd"` remembers nothing, `"momentum"` one
# number a parameter, `"adam"` two. `activations` is how many numbers are kept for **one** text. All
# numbers are 32-bit floats; add up everything, as if all of it were there at once.

# %%
@exercise("hardware.training_bytes")
def training_bytes(parameters, optimizer, batch, activations):
    ...   # your code


# %% [markdown]
# How many activations are there? For each token one layer of BERT keeps about $10h + 2i + 3aL$ numbers,
# with $a$ heads and texts of $L$ tokens:
#
# | term | what it is |
# |---|---|
# | $10h$ | inputs of the dense layers, query, key, value, the sums before the norms, two dropout masks |
# | $2i$ | the wide part of the feed-forward, before and after its activation function |
# | $3aL$ | the attention map, its dropout mask, their product: a number for each pair of tokens and head |
#
# (The *attention map* says how much each token takes from each other one. The function below adds the
# little that norms and embeddings keep.) PyTorch can tell us whether that is right: it lets a function of
# ours look at every tensor that it keeps.

# %%
from labkit.hardware import activation_bytes

told = activation_bytes(SHAPES["MiniLM"], batch=batch, length=length)
print(f"formula {told / 1e6:.1f} MB, PyTorch keeps {found.activation_bytes / 1e6:.1f} MB")
at_once = training_bytes(counts["MiniLM"], "adam", batch, told / batch / 4)
print(f"all at once, by your function: {at_once / 1e6:.0f} MB; measured at its highest: {found.peak_bytes / 1e6:.0f} MB")
record("activations-formula-over-kept", told / found.activation_bytes, expected=(0.95, 1.05), length=length)

# %% [markdown]
# The machine needed less than your function adds up. So do all of these exist *at the same time*? No. PyTorch drops the
# gradients before the forward pass, and gives each activation back as soon as the backward pass has used it. So memory
# is fullest at one of two points of a step: at the start of the backward pass (all activations, no gradients yet), or
# at the update (all gradients, no activations any more). The fuller one is the peak:

# %%
rows = tables.moment_rows(sizes)
highest = {row: steps[row.split(":")[0]].peak_bytes for row in plots.fullest(rows)}
show(
    plots.memory_bars(rows, measured=highest),
    alt="Stacked bars of training memory, two for each model: at the start of the backward pass and at the "
    "update. For BERT weights, gradients and moments are most of it; for MiniLM with its larger batch the "
    "activations are the largest part. A diamond at the end of each model's longer bar marks the measured peak.",
)

# %%
pd.DataFrame(tables.training_rows(sizes, steps)).T

# %%
for name, (state, peak) in tables.ratios(sizes, steps).items():
    record(f"state-measured-over-calculated-{name}", state, expected=(0.9, 1.1))
    record(f"peak-measured-over-calculated-{name}", peak, expected=(0.85, 1.15))

# %% [markdown]
# The calculator never ran a model. Compare its peak with the measured one: the lines above say how far
# apart they are. (The grey part is short-lived: at the update, Adam needs two tensors as large as the
# word embedding while it works on it.) Now you can also answer for models that you will not try: training
# GPT-3 takes 16 bytes for each of its 175 billion parameters, 2.8 terabytes before the first activation.
# No single accelerator holds that much, whatever its speed; *that* is where distributed training becomes
# a must.

# %% [markdown]
# ## 4. What does it wait for?
#
# A processor does two things at the same time: it computes, and it fetches bytes from memory. Whichever
# takes longer decides. One layer of BERT-base multiplies each token with about 7 million weights. Give it
# **1 token**, then **32 tokens**: how many times longer does it take?

# %%
predict("hardware-32-tokens-over-1", 32, unit="times")  # ← your guess

# %%
counts_of_tokens = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
speeds = measured.layer_speeds(SHAPES["BERT-base"], tokens=counts_of_tokens, threads=threads)
by_tokens = {speed.tokens: speed for speed in speeds}
ratio = by_tokens[32].seconds / by_tokens[1].seconds
reveal("hardware-32-tokens-over-1", ratio)
record("32-tokens-over-1", ratio, unit="times", expected=(1, 28), threads=threads)

# %% [markdown]
# 32 times the work, and on a quiet machine far from 32 times the time. (If yours is near 32 or above it, other
# programs were in the way: run the cell again.) On paper, for one weight:
#
# | tokens | bytes fetched | operations (one product and one sum a token) | operations a byte |
# |---|---|---|---|
# | 1 | 4 | 2 | 0.5 |
# | 8 | 4 | 16 | 4 |
# | 32 | 4 | 64 | 16 |
#
# A weight is fetched once and used for all tokens at hand. Operations for each byte are called the
# **intensity** $I$. A machine with a peak of $\pi$ operations and $\beta$ bytes a second can reach at most
#
# $$\min(\pi,\; \beta \cdot I)$$
#
# operations a second: the **roofline**. On the roof itself, a computation left of the *ridge* $\pi/\beta$
# waits for memory (bandwidth-bound), and more tokens at a time are free. Right of the ridge it waits for
# arithmetic (compute-bound), and twice the tokens take twice as long.

# %%
from labkit.hardware import this_machine

device = this_machine(machine, threads=1 if threads == 1 else None)
points = [(f"{s.tokens}", s.intensity, s.flop_s, "measured") for s in speeds]
show(
    plots.roofline(peak=device.peak(4), bandwidth=device.bandwidth, points=points, name=device.name),
    alt="A roofline: a slanted line for memory bandwidth meets a flat line for arithmetic. Ten measured points, "
    "labelled with their tokens from 1 to 512, rise along the slanted line and level out under the flat one.",
)

# %% [markdown]
# The numbers at the points are tokens at a time. The roof is what nothing can pass, not what everything
# reaches: how close a point comes depends on how well the matrix library handles that shape, and thin
# matrices are its weak side. So do not read more from the colours than which limit comes *first*: a point
# far under the roof waits for something that the roofline does not know. (A point may even lie a little
# above the slanted part, where some weights were still in the cache.)
#
# So which limit binds for *our* task? A headline has about 8 tokens. Alone it gives the layer 8 tokens at a
# time, in a batch of 32 it is 256:

# %%
named = {"one token": 1, "a headline (batch 1)": 8, "32 headlines (batch 32)": 256}
by_words = tables.layer_rows(SHAPES["BERT-base"], speeds, device, named=named)
pd.DataFrame(by_words).T

# %% [markdown]
# (On paper, one weight with 256 tokens had 128 operations a byte; here it is less, because the tokens'
# own numbers travel too.) It is not the batch size that decides, but *tokens at a time against the ridge
# of the device*. A model that writes one token after the other, as GPT does, sits at the far left for
# every token when it serves one reader. A classifier that reads a whole headline at once starts further
# right. And the ridge is elsewhere on other devices:

# %%
from labkit.hardware import PUBLISHED, forward

devices = (this_machine(machine), *PUBLISHED.values())
pd.DataFrame(tables.device_rows(SHAPES["BERT-base"], devices, length=8)).T

# %% [markdown]
# (Headlines of 8 tokens and 16-bit weights; a device that does not compute in 16 bits does so in 32.
# Published peaks, which nothing reaches in practice. The sources are in `labkit.hardware.PUBLISHED`.)
# This machine may have another ridge here than in the roofline above, and another answer for one
# headline: there it computed with the threads that you chose and in 32 bits, here with all threads and in
# 16 bits where it can. A ridge belongs to a device *and* a kind of number.
#
# The ridge is far right where arithmetic is fast *for its bandwidth*. Compare the A100 with the T4: it
# computes several times as fast, and its ridge is hardly elsewhere, because its memory is faster too. The
# further right the ridge, the more tokens at a time a device needs to be worth its price. This is also
# why lesson 05 makes weights *smaller*: left of the ridge, half the bytes is at best half the time.

# %% [markdown]
# ### Exercise 1.3 · ●●○○ · 8 minutes
# Write `binding_limit(...)` for `flops` operations and `moved` bytes on a device that does `peak`
# operations and moves `bandwidth` bytes a second. It returns a pair: the shortest possible time in
# seconds, and whether `"compute"` or `"bandwidth"` sets it. Where both take equally long, say
# `"compute"`.

# %%
@exercise("hardware.binding_limit")
def binding_limit(flops, moved, peak, bandwidth):
    ...   # your code


# %%
work = forward(SHAPES["GPT-3"], batch=1, length=1, weight_bytes=2)
a100 = PUBLISHED["NVIDIA A100 40 GB"]
seconds, limit = binding_limit(work.flops, work.bytes, a100.peak(2), a100.bandwidth)
print(f"GPT-3, one token, if it did fit on an A100: at least {seconds:.2f} s, {limit}-bound")

# %% [markdown]
# ## Tune it
#
# Which models fit on which device, and what do they wait for there? Move a slider, or choose a device.
# **Measure** builds the model with random weights, runs it on this machine in a process of its own, and
# adds a diamond. Questions to try:
#
# - Choose training and texts of 512 tokens: from which batch on does BERT-base no longer fit into *this
#   machine*?
# - On the A100, for inference with 16-bit weights and texts of 8 tokens: how many tokens at a time (batch ×
#   length) does BERT-base need to be compute-bound?
# - What does int8 change for one token, and what for a batch of 512?

# %%
from labkit.widgets import hardware as widget
from labkit.widgets.panel import static

widget.panel()

# %%
static(widget.view, model="BERT-base", device="this machine", batch=1, length=8)

# %% [markdown]
# ## 5. What can come before what?
#
# The article draws the techniques as a flow chart, with an arrow from pruning to distributed training,
# and one from quantization to compression. (*Pruning* takes weights away, *quantization* stores them in
# fewer bits, *distillation* trains a small model to answer as a large one does; each has a lesson.) An
# arrow in a flow chart says *first this, then that*. Two kinds of arrow cannot mean that: from a thing to
# the family it belongs to, and from a stage to *a way of running* a stage.

# %%
show(
    plots.order(),
    alt="A graph: pre-training, then fine-tuning, then a family of compressions (distillation, pruning, "
    "quantization), then deployment. Arrows also go back from compression to fine-tuning to recover, from "
    "pre-training straight to compression, and from fine-tuning straight to deployment. Training stages are "
    "framed: they can be distributed.",
)

# %% tags=["nbval-check-output"]
arrows = [
    ("pre-training", "pruning"),
    ("fine-tuning", "quantization"),
    ("pruning", "distributed training"),
    ("quantization", "compression"),
]
pd.DataFrame([(f"{a} → {b}", order.judge(a, b)) for a, b in arrows], columns=["the article's arrow", "is"])

# %% [markdown]
# (Distillation is training as well, so it too can be distributed; in the drawing it stands with its
# family. The arrows inside the family are one usual order. You may do without any of the three.)
#
# Two of the four arrows are possible orders, though not the only ones: you may also prune after
# fine-tuning, and most lessons here do. Quantization *is* compression, as pruning and distillation are. And
# distributed training is how a training stage runs when one machine is too small or too slow for it: it
# comes first in practice, with pre-training.

# %% [markdown]
# ## 6. The long run
#
# Question 5 of the article's appendix asks what hardware limits mean for the development of large models.
# Let the model grow and watch three quantities of **one training step** on 512 tokens: operations,
# memory, and the bytes that each of two machines sends so that both have the mean of their gradients
# (lessons 07 and 08). Diamonds are measured: operations counted by torch inside the real model, memory
# between steps as in section 3 (it does not depend on the batch), and bytes as the system counts them
# while two processes talk. The dashed line for memory is a wall. The other two are what this machine
# computes, and what a gigabit link carries, in one second; that second is our choice.

# %%
from labkit.hardware.wire import measure_all_reduce

names = SHAPES if profile == "full" else [*steps, "GPT-3"]
flops = {name: measured.counted_flops(SHAPES[name], batch=4, length=128, train=True) for name in names}
sent = dict(zip(steps, measure_all_reduce([SHAPES[name] for name in steps], cache=default_cache()), strict=True))
panels = tables.growth(machine, steps, flops=flops, sent=sent)
show(
    plots.long_run(counts, panels),
    alt="Three panels against the number of parameters, both axes logarithmic: operations, memory and bytes on "
    "the wire of one training step. All three are nearly straight lines through the measured points, and each "
    "crosses a dashed line, for this machine or a gigabit link, long before GPT-3.",
)

# %%
for name in steps:
    told = {title: panel["measured"][name] / panel["calculated"][name] for title, panel in panels.items()}
    record(f"operations-counted-over-calculated-{name}", told["Operations"], expected=(0.97, 1.03))
    record(f"wire-measured-over-calculated-{name}", told["Wire"], expected=(0.98, 1.1))

# %% [markdown]
# Memory and wire grow with the parameters, one for one. Operations grow with those parameters that
# multiply: a row of the word embedding is only looked up, so a small model, half of it embedding, does
# less for its size. No single one of the three is *the* limit of the future; which one you meet first
# depends on the machine. But they differ in kind. Arithmetic can wait: a slower machine takes longer.
# Memory cannot: what does not fit does not run. And the wire has to carry its bytes at *every* step.
# Fewer and smaller numbers help with all three, and that is what the rest of this workbook is about.

# %% [markdown]
# ## The article says, we measured

# %%
grown = tables.grown(panels, small="MiniLM", large="GPT-3")
large = [name for name, count in counts.items() if count >= 1e9]
one, many = (row["so it is"] for row in list(by_words.values())[::2])
verdicts(
    {
        "C01": f"BERT-base has {counts['BERT-base'] / 1e6:.0f} M and BERT-large "
        f"{counts['BERT-large'] / 1e6:.0f} M; only {' and '.join(large)} pass a billion",
        "C02": f"{machine.gflop_s:.0f} GFLOP/s, {machine.memory_bytes / 1e9:.0f} GB and "
        f"{machine.bandwidth_gb_s:.0f} GB/s; a layer of BERT-base is {one} with one token, {many} with 256",
        "C05": f"of four arrows {sum(order.judge(a, b) == 'possible' for a, b in arrows)} are orders",
        "C06": f"between steps MiniLM holds {found.static_bytes / counts['MiniLM']:.1f} bytes a parameter: "
        "gradients and moments beside the weights, and activations on top",
        "C52": f"from MiniLM to GPT-3: {grown}",
    }
)

# %% [markdown]
# ## Recap
#
# - A configuration says how many parameters a model has; both BERTs have fewer than a billion.
# - Training with Adam in fp32 keeps **16 bytes a parameter**; activations come on top and grow with batch
#   and length. The peak is at the start of the backward pass or at the update, whichever is fuller.
# - A computation takes at least the longer of operations ÷ peak and bytes ÷ bandwidth. Few tokens at a time
#   wait for memory, many for arithmetic; the ridge of the device is the border.
# - This holds for dense models whose weights come from memory at each step; a model that stays in the cache
#   is faster.
# - Pruning, quantization and distillation are kinds of compression. Distribution is a way to train.
#
# Next: [what the article's formulas say, and whether they are right](02_the_math.ipynb).

# %% [markdown]
# ## Further reading
#
# - S. Williams, A. Waterman, D. Patterson: *Roofline: An Insightful Visual Performance Model for Multicore
#   Architectures.* Communications of the ACM 52(4), 2009.
#   [doi:10.1145/1498765.1498785](https://doi.org/10.1145/1498765.1498785)
# - J. Devlin, M.-W. Chang, K. Lee, K. Toutanova: *BERT: Pre-training of Deep Bidirectional Transformers for
#   Language Understanding.* NAACL 2019. [arXiv:1810.04805](https://arxiv.org/abs/1810.04805)
# - T. Brown et al.: *Language Models are Few-Shot Learners.* NeurIPS 2020, table 2.1.
#   [arXiv:2005.14165](https://arxiv.org/abs/2005.14165)
# - S. Rajbhandari, J. Rasley, O. Ruwase, Y. He: *ZeRO: Memory Optimizations Toward Training Trillion
#   Parameter Models.* SC 2020, section 3. [arXiv:1910.02054](https://arxiv.org/abs/1910.02054)
# - V. Korthikanti et al.: *Reducing Activation Recomputation in Large Transformer Models.* MLSys 2023.
#   [arXiv:2205.05198](https://arxiv.org/abs/2205.05198)
# - J. Kaplan et al.: *Scaling Laws for Neural Language Models.* 2020, section 2.1.
#   [arXiv:2001.08361](https://arxiv.org/abs/2001.08361)
