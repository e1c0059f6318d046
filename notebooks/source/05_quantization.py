# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Quantization: how few bits does a weight need?
#
# | you need | minutes (quick · full) | difficulty | in the article |
# |---|---|---|---|
# | lessons 02 and 03 | 2 · 5 | ●●○○ | 3.2 step 2, 3.3, 4.2, 5.2, 5.4, 9 Q2 |
#
# The minutes are the machine's. Take two hours for yourself.

# %% [markdown]
# **Afterwards you can**
#
# 1. round a matrix by hand, symmetric and affine, and say who should share a scale and what the scales cost (exercises
#    5.1 and 5.2);
# 2. decide how far a grid should reach, and find the best three levels for any weights (exercises 5.3 and 5.4);
# 3. train a model with its rounding in the loop, say why that works, what it gains at few bits over the same levels,
#    what one level more gains without any training, and what each costs (exercise 5.5, a race);
# 4. find four mistakes in the article's quantization listing, and mend them (exercises 5.6 and 5.7);
# 5. tell a cast from a quantization, and check a claim such as "eight times smaller" by counting bits.

# %% tags=["parameters"]
bits: int = 2  # bits of a weight where training with and without rounding are compared, 2 to 8
seed: int = 0  # order of the training rows
profile: str = "quick"  # quick: a short training, one comparison · full: longer, at 4 bits too, one level more too

# %%
import numpy as np
import torch

from labkit import Distill, Policy, Quantize, recipes
from labkit import exercise, fine_tune, load_task, predict, predict_once, record, reveal, show
from labkit.plots import quantization as plots
from labkit.quantization import Scheme, dequantize, quantize
from labkit.statistics import compare, f1_interval, macro_f1

recover = Distill(epochs=1, transfer=600) if profile == "quick" else recipes.SHORT
task = load_task("bbc-headlines", fold=0)
teacher = fine_tune(task)
texts, truth = task.texts("test"), task.truth("test")
baseline = predict_once(teacher, texts)  # as teacher.predict(texts), and kept for the next time

# %% [markdown]
# ## Fewer and fewer bits
#
# A weight is stored as a 32-bit float. Quantization stores a small whole number of few bits in its place. A group of
# weights has one *scale* in common, and weight ≈ integer × scale. Here 64 neighbours share a scale. Their grid is
# *symmetric*: zero is a level, and the other levels reach as far to both sides, to the largest of the 64.
#
# We do that to the classifier that you fine-tuned: to *every* matrix of it, the embeddings, the pooler and the
# classifier's last layer included (the code calls these two the `head`). There is no training afterwards.
#
# **How many points of macro-F1 does the model lose with 4 bits a weight? And with 2?** (100 points would be all of it.)

# %%
predict("quantization.loss-4-bits", 5.0, unit="points of macro-F1")  # ← your guess
predict("quantization.loss-2-bits", 10.0, unit="points of macro-F1")  # ← and for 2 bits


# %%
def rounded(**options):
    """A copy of the teacher with its matrices rounded."""
    copy = teacher.copy()
    Quantize(**options).finish(copy)
    return copy


nearest = {b: predict_once(rounded(bits=b, group=64, head_bits=b), texts) for b in (8, 6, 5, 4, 3, 2)}
lost = {b: -100 * compare(truth, baseline, predicted).value for b, predicted in nearest.items()}
reveal("quantization.loss-4-bits", lost[4])
reveal("quantization.loss-2-bits", lost[2])

# %%
from labkit.baselines import tfidf_baseline

series = {"to the nearest level, groups of 64": [(b, f1_interval(truth, p)) for b, p in nearest.items()]}
counting, teacher_f1 = macro_f1(truth, tfidf_baseline(task)), macro_f1(truth, baseline)
show(
    plots.f1_against_bits(series, teacher=teacher_f1, baseline=counting),
    alt="Macro-F1 against bits: " + ", ".join(f"{b} bits {teacher_f1 - x / 100:.3f}" for b, x in lost.items()),
)
record("loss-8-bits", lost[8], unit="points", expected=(-1, 1))
record("loss-4-bits", lost[4], unit="points", expected=(-1.5, 2.5))
record("loss-2-bits", lost[2], unit="points", expected=(2, 70))

# %% [markdown]
# Eight bits are a quarter of 32: that should cost next to nothing. Four are an eighth, and cost little. At two bits the
# model breaks. (Read the intervals before you read the dots: on this many headlines a point or two is luck, and 5 bits
# may even come out below 4.) The rest of this lesson is about the lower end: why it breaks there, and what to do about
# it.
#
# ## On paper: two schemes
#
# Take four weights, and four bits for each: sixteen whole numbers.
#
# **Symmetric.** Zero is in the middle, and the grid reaches as far to both sides. The largest size is 0.7, and the
# largest whole number that both sides have is 7 (of −8 to 7; with b bits it is $2^{b-1}-1$), so the scale is
# 0.7 / 7 = 0.1. Divide by it, and round:
#
# | weight | divided by 0.1 | integer | back | error |
# |---|---|---|---|---|
# | 0.70 | 7.0 | 7 | 0.7 | 0 |
# | −0.20 | −2.0 | −2 | −0.2 | 0 |
# | 0.04 | 0.4 | 0 | 0 | −0.04 |
# | 0.31 | 3.1 | 3 | 0.3 | −0.01 |
#
# **Affine.** The grid runs from the smallest weight to the largest: from −0.2 to 0.7, a range of 0.9. Sixteen levels
# have fifteen gaps, so the scale is 0.9 / 15 = 0.06. A second number says where zero lies, the *zero point*:
# −0.2 should be the first integer, −8, and zero is 0.2 / 0.06 = 3.3 steps above it. That must be whole (lesson 02
# showed why): 3 steps, so zero is at −5. Now 0.31 becomes 0.31 / 0.06 − 5 = 0.17, rounded 0, and back it is
# (0 − (−5)) · 0.06 = 0.30.
#
# The article also names *fixed point*. That is the symmetric scheme with a power of two as its scale.
#
# In both cases a weight inside the range moves by at most half a step, 0.05 here or 0.03. The code does just that:

# %%
four = torch.tensor([[0.70, -0.20, 0.04, 0.31]])
for kind in ("symmetric", "affine"):
    code = quantize(four, Scheme(bits=4, group="row", kind=kind))
    zero = 0 if code.zeros is None else code.zeros.item()
    print(f"{kind}: scale {code.scales.item():.3f}, zero at {zero}, integers {code.integers[0].tolist()}")
    print("    back:", [round(value, 2) for value in dequantize(code)[0].tolist()])

# %% [markdown]
# ### Exercise 5.1 · ●●○○ · 10 minutes
#
# Write `group_integers(row, bits, group)`: the symmetric scheme with a scale for each group of neighbours. Return the
# integers and the scales. The last group may be shorter. A group of zeros gets scale 1.


# %%
@exercise("quantization.group_integers")
def group_integers(row, bits, group):
    ...  # your code; group_integers.hint() if you are stuck


# %% [markdown]
# ## Who shares a scale?
#
# One scale for a matrix, one for each row of it ("per channel"), or one for each group of 64 neighbours in a row? The
# largest weight among those who share sets the step for all of them. Lesson 02 showed one matrix where one weight in
# half a million spoils everything. Was that an exception? We round all matrices of the real model to 4 bits, and
# measure the error: the length of the difference, as a share of the length of the weights.
#
# **How many times larger is the error with one scale a matrix than with one for 64 weights?** (The median over the
# matrices.)

# %%
predict("quantization.error-matrix-over-group", 1.5, unit="times")  # ← your guess

# %%
matrices = {name: p.detach() for name, p in teacher.model.named_parameters() if p.ndim == 2}


def error(weight, scheme):
    return float((dequantize(quantize(weight, scheme)) - weight).norm() / weight.norm())


shares = {"one scale a matrix": "tensor", "one a row": "row", "one for 64 weights": 64}
errors = {words: [error(w, Scheme(4, group)) for w in matrices.values()] for words, group in shares.items()}
median = {words: float(np.median(found)) for words, found in errors.items()}
reveal("quantization.error-matrix-over-group", median["one scale a matrix"] / median["one for 64 weights"])

# %%
show(
    plots.errors_by_sharing(errors),
    alt="Error at 4 bits, one dot a matrix; the medians: " + ", ".join(f"{n} {m:.1%}" for n, m in median.items()),
)
for words, found in median.items():
    record(f"error at 4 bits, {words}", found, unit="of the weights' size")
one_a_row = predict_once(rounded(bits=4, group="row", head_bits=4), texts)
one_a_matrix = predict_once(rounded(bits=4, group="tensor", head_bits=4), texts)
print(f"F1 at 4 bits: groups {macro_f1(truth, nearest[4]):.3f}, rows {macro_f1(truth, one_a_row):.3f}, "
      f"matrices {macro_f1(truth, one_a_matrix):.3f}")

# %%
zeros = {n: float((dequantize(quantize(w, Scheme(4, "tensor"))) == 0).float().mean()) for n, w in matrices.items()}
down = [share for n, share in zeros.items() if n.endswith("output.dense.weight") and "attention" not in n]
shorter = predict_once(rounded(bits=4, group="tensor", head_bits=4, clip="mse"), texts)
print("With one scale a matrix at 4 bits,")
print(f"  {sum(s > 0.75 for s in zeros.values())} of {len(zeros)} matrices have more than three quarters zeros;")
print(f"  leading down from the feed-forward part, {sum(s >= 0.95 for s in down)} of {len(down)} have 95 % or more;")
print(f"  F1 is {macro_f1(truth, one_a_matrix):.3f}; where the grid stops short of the far weights, "
      f"{macro_f1(truth, shorter):.3f}.")
record("f1-matrix-scale-clipped", macro_f1(truth, shorter), unit="macro-F1", bits=4)

# %% [markdown]
# Was it an exception? Not if the first two counts are more than one or two. Where one weight sticks far out, the step
# is so wide that nearly all others are rounded to zero. (The feed-forward part has two matrices. Those that lead down
# are the second ones; lesson 02 showed one of them.)
#
# Lesson 02 also asked whether the *model* likes to have its largest weights clipped. In the last line there is still
# one scale for a matrix, but its grid stops short (how short is a question for later), and a far weight becomes the
# last level. If F1 comes back most of the way, the model does not miss the far weights. It missed all the others.
#
# Scales are not free: 16 bits each. Smaller groups have smaller errors and more scales. The alternative to a smaller
# group is one more bit for each weight.
#
# ### Exercise 5.2 · ●○○○ · 6 minutes
#
# Write `stored_bits(rows, columns, bits, group, affine)`: the bits of a matrix, its integers, its 16-bit scales, and in
# the affine scheme an 8-bit zero point for each group. A group ends with its row.


# %%
@exercise("quantization.stored_bits")
def stored_bits(rows, columns, bits, group, affine):
    ...  # your code


# %%
name, example = max(matrices.items(), key=lambda pair: pair[1].numel() if "encoder" in pair[0] else 0)
rows, columns = example.shape
print(f"{name}: {rows} rows of {columns} weights\n")
print("bits  group  scheme     bits a weight   error")
for b, group, kind in ((4, columns, "symmetric"), (4, 64, "symmetric"), (4, 16, "symmetric"), (5, columns, "symmetric"),
                       (4, 64, "affine"), (2, 64, "symmetric"), (2, 64, "affine"), (2, 16, "affine")):  # fmt: skip
    each = stored_bits(rows, columns, b, group, kind == "affine") / example.numel()
    print(f"{b:4} {group:6}  {kind:10} {each:10.2f} {error(example, Scheme(b, group, kind)):12.1%}")

# %% [markdown]
# Compare the third line with the fourth: groups of 16 weights, or one more bit and a scale a row. They cost about the
# same. Which has the smaller error?
#
# Then symmetric against affine. At two bits they are *three* levels (−1, 0, 1) against four. Compare the last three
# lines: what does the fourth level save, and what do groups of a quarter of the size save on top? At four bits the
# affine scheme has the smaller error too, for an eighth of a bit. There are two reasons. Fifteen gaps instead of
# fourteen make the steps 7 % finer. What is more than that comes from the range: from the smallest weight of a group to
# the largest it is less than twice the largest size, and twice the largest size is what a symmetric grid spans.
#
# All grids of this table reach to the largest weight. With one level to each side that is far, and part of what the
# fourth level saves comes from that. So the next question is whether a grid has to reach so far.
#
# ## How far should a grid reach?
#
# So far every grid reached to the largest weight of its group. A shorter reach makes the steps finer for all the
# others, and *clips* the largest: it becomes the last level. Two errors pull in opposite directions, and the sum has a
# minimum somewhere.
#
# ### Exercise 5.3 · ●●○○ · 10 minutes
#
# Write `best_reach(weights, bits, reaches)` for symmetric grids, with the integers −top … top, top = 2^(bits − 1) − 1.
# Try the grids whose last level is the given share of the largest size, and return the share with the least sum of
# squared errors over all weights.


# %%
@exercise("quantization.best_reach")
def best_reach(weights, bits, reaches):
    ...  # your code


# %% [markdown]
# **At 2 bits, and one scale a row: which share of the row's largest weight should the grid reach?** (1 is all of it;
# the median over 60 rows of the matrix above.)

# %%
predict("quantization.best-reach-2-bits", 0.8, unit="of the largest weight")  # ← your guess

# %%
reaches = [round(0.05 * k, 2) for k in range(1, 21)]
best = [best_reach(row, 2, reaches) for row in example[:60].numpy()]
reveal("quantization.best-reach-2-bits", float(np.median(best)))

# %%
row = example[0:1]


def error_at(reach, b):
    scale, top = reach * float(row.abs().max()) / (2 ** (b - 1) - 1), 2 ** (b - 1) - 1
    return float(((row / scale).round().clamp(-top, top) * scale - row).norm() / row.norm())


fine = np.linspace(0.05, 1, 96)
curves = {b: (fine, [error_at(reach, b) for reach in fine]) for b in (8, 4, 3, 2)}
show(
    plots.error_against_reach(curves),
    alt="Error of one row against the reach of its grid. The best reach: "
    + ", ".join(f"{b} bits {fine[int(np.argmin(e))]:.0%}" for b, (_, e) in curves.items()),
)

# %% [markdown]
# With 8 bits there are levels enough: reach to the end. The fewer the levels, the more they should crowd where the
# weights are. `clip="mse"` (mean squared error) searches the reach for each group by itself. What is it worth in F1?
# And what is one level more worth, in the affine scheme, with its range searched in the same way?

# %%
clipped = {b: predict_once(rounded(bits=b, group=64, head_bits=b, clip="mse"), texts) for b in (3, 2)}
affine = {"kind": "affine", "group": 64, "clip": "mse"}
one_more = {b: predict_once(rounded(**affine, bits=b, head_bits=b), texts) for b in (3, 2)}
series["least squared error, groups of 64"] = [(b, f1_interval(truth, p)) for b, p in clipped.items()]
series["the same, one level more (affine)"] = [(b, f1_interval(truth, p)) for b, p in one_more.items()]
show(
    plots.f1_against_bits(series, teacher=teacher_f1, baseline=counting),
    alt="The same curve, and points for grids of least error: "
    + ", ".join(f"{b} bits {macro_f1(truth, p):.3f}" for b, p in clipped.items()) + "; with one level more: "
    + ", ".join(f"{b} bits {macro_f1(truth, p):.3f}" for b, p in one_more.items()),
)

# %%
for b in clipped:
    print(f"{b} bits: {2**b - 1} levels F1 {f1_interval(truth, clipped[b])}, "
          f"{2**b} levels F1 {f1_interval(truth, one_more[b])}")
    steps = {"clipping-gain": (nearest[b], clipped[b]), "one-level-more-gain": (clipped[b], one_more[b])}
    for what, (before, after) in steps.items():
        gain = compare(truth, before, after)
        interval = (100 * gain.low, 100 * gain.high)
        record(f"{what}-{b}-bits", 100 * gain.value, unit="points", interval=interval)

# %% [markdown]
# Read the gains with their intervals. At two bits clipping is worth very many points. At three bits look whether the
# interval holds zero: if it does, this many headlines cannot tell clipping from reaching to the end.
#
# One level more costs an eighth of a bit a weight, for the zero point. At two bits it is the fourth level: if its
# interval lies above zero, it is worth that eighth, and nothing had to be trained. At three bits it is the eighth
# level, and zero may well be in the interval.
#
# ### Three levels, exactly
#
# With three levels (−a, 0, a) nothing has to be searched on a grid. Suppose you know which $k$ weights are to be kept.
# Then the best $a$ is the mean of their sizes, and the squared error falls from the sum of all squares by
# $(\text{sum of their sizes})^2/k$. And the weights to keep are the $k$ largest. So there are only as many candidates
# as weights. Three weights for paper, 0.9, −1.1 and 0.1: keep one, and the gain is 1.1² = 1.21; two, 2.0² / 2 = 2.0;
# three, 2.1² / 3 = 1.47. Keep two.
#
# Three levels are $\log_2 3 = 1.58$ bits. They are called *ternary* weights, and often "1.58 bits" (labkit writes 1.5
# for it).
#
# ### Exercise 5.4 · ●●●○ · 12 minutes
#
# Write `ternary(weights)`: return the scale, and −1, 0 or 1 for each weight, with the least squared error.


# %%
@exercise("quantization.ternary")
def ternary(weights):
    ...  # your code


# %%
scale, signs = ternary(example[0].numpy())
lost_here = np.linalg.norm(float(scale) * np.asarray(signs) - example[0].numpy()) / float(example[0].norm())
print(f"one row: scale {float(scale):.3f}, {np.mean(np.asarray(signs) == 0):.0%} zeros, error {lost_here:.1%}")
print(f"the same by labkit, bits=1.5: error {error(example[0:1], Scheme(1.5, 'row')):.1%}")
print(f"2 bits, reach to the largest: error {error(example[0:1], Scheme(2, 'row')):.1%}")
print(f"2 bits, best reach: error {error(example[0:1], Scheme(2, 'row', clip='mse')):.1%}")

# %% [markdown]
# Two symmetric bits are three levels as well. With the best reach they should come out as good as the exact rule, or
# very nearly. So the exact rule does not save much error. It saves the search. And whoever knows that there are three
# levels need not pay for four: 1.58 bits instead of 2. (How does one store a part of a bit? Several together: five
# weights of three levels have 3^5 = 243 combinations, and a byte can number 256. That is 1.6 bits a weight.)
#
# Look at the share of zeros. A ternary matrix is a sparse matrix, with a sparsity that nobody asked for. Lesson 09
# makes use of that: a level that is more frequent than others needs fewer bits in a file.
#
# ## Which part is the sensitive one?
#
# Not every part of the model minds equally. We round one part at a time to 2 bits (three levels, groups of 64, the
# reach searched), leave all others exact, and count the headlines that get another label than before.

# %%
layers = teacher.model.config.num_hidden_layers
exact = {"bits": None, "embedding_bits": None, "head_bits": None, "group": 64, "clip": "mse"}
alone = {"embeddings": exact | {"embedding_bits": 2}, "pooler and head": exact | {"head_bits": 2}}
for layer in range(layers):
    alone[f"layer {layer}"] = exact | {"layer_bits": tuple(2 if i == layer else None for i in range(layers))}
changed = {part: float(np.mean(predict_once(rounded(**o), texts) != baseline)) for part, o in alone.items()}

# %%
from labkit.plots.pruning import bars

show(
    bars({part: 100 * share for part, share in changed.items()},
         title="One part at 2 bits, the rest exact", xlabel="labels that change (%)"),
    alt="Labels that change when one part has 2 bits: " + "; ".join(f"{p} {c:.1%}" for p, c in changed.items()),
)
counts = {part: round(share * len(texts)) for part, share in changed.items()}
tied = [part for part, n in counts.items() if max(counts.values()) - n <= max(counts.values()) ** 0.5]
record("most-sensitive-part", " and ".join(tied))
record("least-sensitive-part", min(changed, key=changed.get))
sizes = {part: sum(w.numel() for n, w in matrices.items() if part in n) / 1e6 for part in ("layer.0.", "embeddings")}
print(f"A layer has {sizes['layer.0.']:.1f} million weights, the embeddings have {sizes['embeddings']:.1f} million.")

# %% [markdown]
# A count of n headlines is uncertain by about √n. Parts that are closer together than that are a tie, and the first
# line above names all who share the first place.
#
# An error in an early layer passes through all later ones, and can grow there. If the early layers are the sensitive
# ones, that is one reason. And compare the sizes: where the embeddings do about as much damage as one layer, they do it
# with several times as many weights.
#
# So different parts deserve different bits: `Quantize(layer_bits=(4, 3, …), embedding_bits=…)` gives them. Which bits
# for which part, with a budget for all of them, is a search. The next lesson lets you try it by hand.
#
# ## Training with the rounding in the loop
#
# Everything so far rounded a finished model. The weights never had a chance to answer. Let us train *with* the
# rounding: forward with rounded weights, look at the loss, move the weights so that the rounded ones do better.
#
# There is an obstacle. Rounding is a staircase, and the slope of a staircase is zero wherever you stand. The gradient
# of the loss with respect to a weight that is rounded is zero. Nothing would ever move. (That is also why integers have
# no gradient at all, as the article's listing will find out.)
#
# The way out is a lie that works, the *straight-through estimator*: on the way back, pretend that rounding had slope
# one. It needs two copies of each weight. The *exact* one is kept and moved; the *rounded* one is what the model
# computes with, and where the gradient is taken.
#
# On paper: levels 0.2 apart, an exact weight of 0.26, and a loss of $(Q(w) - 0.5)^2$. Rounded it is 0.2. The slope
# there is 2 · (0.2 − 0.5) = −0.6. With a learning rate of 0.02 the exact weight goes to 0.26 + 0.012 = 0.272. Rounded
# it is still 0.2, and the step was not in vain: after three more the exact weight is beyond 0.3, and the rounded one
# jumps to 0.4.
#
# ### Exercise 5.5 · ●●●○ · 10 minutes
#
# Write `straight_through_step(weight, target, scale, learning_rate)`: the exact weights after one step, for a loss that
# is the sum of $(Q(w) - \text{target})^2$, with $Q(w)$ the nearest multiple of `scale`. Return an array or a list; a
# tensor must be detached from its gradient.


# %%
@exercise("quantization.straight_through_step")
def straight_through_step(weight, target, scale, learning_rate):
    ...  # your code


# %%
w, path = np.array([0.26]), []
for _ in range(75):
    path.append(float(w[0]))
    w = np.asarray(straight_through_step(w, np.array([0.5]), 0.2, 0.02))
levels = [0.2 * round(x / 0.2) for x in path]
show(
    plots.moves(path, levels, 0.2),
    alt=f"An exact weight drifts up from 0.26; the rounded one jumps from 0.2 to 0.4 after {levels.index(0.4)} steps. "
    "Then the exact one stays at 0.5, and the rounded one flips between 0.4 and 0.6.",
)

# %% [markdown]
# The target lies between two levels, and no level is the target. At 0.4 the slope pushes the exact weight up, at 0.6 it
# pushes it down. So the exact weight is driven to the edge between them, and the rounded one flips. That happens with
# any target between 0.4 and 0.6. Try 0.45 in the cell above, with 300 steps: the edge is the same, and only the nearer
# level is held longer. Real trainings show this too. A falling learning rate makes the moves of the exact weight
# smaller, but it still sits on the edge, and on which side it stops is luck.
#
# Now the real model. A policy with `aware=True` rounds in the loop: every matrix, as before. Against it we put the
# *same* training without rounding, and round afterwards. Both students have the same teacher, the same rows, the same
# number of steps, and the same symmetric levels with their reach searched: three levels at two bits. The training is
# the step of lesson 03, a short distillation: the student learns to answer as the unrounded teacher does. The number of
# bits is the parameter at the top.
#
# **How many points of macro-F1 is it worth to have the rounding in the loop?**

# %%
predict("quantization.gain-of-aware-training", 1.0, unit="points of macro-F1")  # ← your guess

# %%
def pair(b):
    """The answers after plain training and rounding, and after training with the rounding in the loop."""
    step = {"bits": b, "group": 64, "head_bits": b, "clip": "mse"}
    policies = (Policy([Quantize(**step, aware=aware), recover]) for aware in (False, True))
    return [predict_once(policy.apply(teacher, task, seed=seed), texts) for policy in policies]


trained = {b: pair(b) for b in ((bits,) if profile == "quick" else sorted({bits, 4}))}
gains = {b: compare(truth, afterwards, aware) for b, (afterwards, aware) in trained.items()}
reveal("quantization.gain-of-aware-training", 100 * gains[bits].value)

# %%
for b, (afterwards, aware) in trained.items():
    untrained = predict_once(rounded(bits=b, group=64, head_bits=b, clip="mse"), texts)
    print(f"{b} bits, {2**b - 1} levels: not trained, rounded F1 {f1_interval(truth, untrained)}")
    print(f"    trained, then rounded F1 {f1_interval(truth, afterwards)}; "
          f"against not trained {compare(truth, untrained, afterwards).points()}")
    print(f"    rounded in the loop F1 {f1_interval(truth, aware)}; against trained, then rounded {gains[b].points()}")
    print(f"        against the teacher {compare(truth, baseline, aware).points()}")
gain = gains[bits]
record("gain-of-aware-training", 100 * gain.value, unit="points", interval=(100 * gain.low, 100 * gain.high), bits=bits)

# %%
more = {"not trained": predict_once(rounded(**affine, bits=bits, head_bits=bits), texts)}
if profile == "full":  # one training more
    policy = Policy([Quantize(**affine, bits=bits, head_bits=bits, aware=True), recover])
    more["in the loop"] = predict_once(policy.apply(teacher, task, seed=seed), texts)
for words, predicted in more.items():
    print(f"{bits} bits, {2**bits} levels, {words}: F1 {f1_interval(truth, predicted)}; "
          f"against {2**bits - 1} levels in the loop {compare(truth, trained[bits][1], predicted).points()}")

# %%
series["trained, then rounded"] = [(b, f1_interval(truth, one)) for b, (one, _) in trained.items()]
series["rounded in the loop"] = [(b, f1_interval(truth, other)) for b, (_, other) in trained.items()]
if "in the loop" in more:
    series["one level more, in the loop"] = [(bits, f1_interval(truth, more["in the loop"]))]
show(
    plots.f1_against_bits(series, teacher=teacher_f1, baseline=counting),
    alt="All curves together. Rounded in the loop: "
    + ", ".join(f"{b} bits {macro_f1(truth, p[1]):.3f}" for b, p in trained.items())
    + "; trained, then rounded: " + ", ".join(f"{b} bits {macro_f1(truth, p[0]):.3f}" for b, p in trained.items())
    + f"; {bits} bits with one level more: " + ", ".join(f"{w} {macro_f1(truth, p):.3f}" for w, p in more.items()),
)

# %% [markdown]
# The intervals of differences are paired: both answered the same headlines. One fold has few of them. Five are pooled
# by `labkit bench compression --only quantization`, for rounding alone and for rounding in the loop. (Its grids reach
# to the largest weight, its training is longer, and it takes its time.)
#
# First the plain training. If the interval "against not trained" holds zero, or lies below it, nothing was gained that
# can be seen: this training starts from a model that is trained already, and knows nothing of the grid that comes
# later. In the loop the loss sees the rounded weights, and moves them to where rounding does less harm. That pays where
# rounding does much harm, at few bits. At four bits (the full profile has them) look whether the interval holds zero.
#
# Then the fourth level. The loop was compared with the *same* levels, three at two bits. One level more may come as far
# without any training, for an eighth of a bit more a weight. Look at the line "not trained" with the even number of
# levels: if its interval holds zero, this many headlines cannot tell the two apart, and if it lies above zero, the
# level gained more than the loop. In both cases take the level first, since it costs no training. (If the interval lies
# below zero, the loop gained more, and you have to weigh a training against an eighth of a bit.) The loop can be put on
# top of the level; in the full profile the last line says how far that goes.
#
# ### Does it make training faster?
#
# The article says that quantization speeds up training. **How long is a step with rounding in the loop, against a plain
# one?** 1 is the same.

# %%
predict("quantization.step-time-ratio", 0.7, unit="of a plain step's time")  # ← your guess

# %%
from dataclasses import asdict

from labkit.batches import encode, pad
from labkit.latency import race
from labkit.quantization.pace import stepper

batch = pad(encode(teacher.tokenizer, task.texts("train")[:32])) | {"labels": torch.tensor(task.truth("train")[:32])}


def ask():
    plain, with_rounding = (stepper(teacher.copy().model, batch, scheme=s) for s in (None, Scheme(bits, 64)))
    return asdict(race({"plain": plain, "rounded": with_rounding}, rounds=10, warmup=1)["rounded"])


# %%
from labkit.asked import asked_once
from labkit.cache import default_cache

code = ["labkit.quantization.pace", "labkit.quantization.straight_through", "labkit.quantization.grid"]
pace = asked_once("pace of training", ask, cache=default_cache(), code=code, bits=bits)
reveal("quantization.step-time-ratio", pace["ratio"])
interval = (pace["low"], pace["high"])
record("step-time-ratio", pace["ratio"], unit="of a plain step's time", expected=(0.95, 2.0), interval=interval)

# %% [markdown]
# If the interval lies above 1, a step is slower. It has no way to be faster: our loop does everything that plain
# training does, in floats, because the gradient needs them, and rounds every matrix at each step on top. Rounding is
# little work next to the forward and the backward pass, if it is written with care: our grids are fitted anew every few
# steps only. The race fits them to the largest weight. With `clip="mse"`, as in the training above, a search comes on
# top every 32 steps; it is left out here.
#
# Integers can make *inference* faster, where the processor multiplies them as integers; the next lesson measures that.
# They do not make training faster. (Training in 16-bit floats is another thing. It has gradients.)
#
# ## A cast is not a quantization
#
# The article's advice against losses is to use more bits, such as 16-bit floats (float16). That is a *cast*: still a
# float, with its own exponent, rounded to 11 significant bits. Every weight keeps its relative accuracy, whatever its
# neighbours are, down to about 0.00006. Below that float16 runs out of exponents, and such weights hardly count. No
# scale, no group, no clipping.

# %%
halved = rounded(bits=16, head_bits=16, vector_bits=16)
half_labels = predict_once(halved, texts)
relative = max(
    float(((a - b).abs() / b.abs().clamp(min=1e-4)).max())
    for a, b in zip(halved.model.state_dict().values(), teacher.model.state_dict().values(), strict=True)
)
print(f"largest relative error of a weight above 0.0001: {relative:.2e} (2^-11 is {2**-11:.2e})")
print(f"labels that change: {int((half_labels != baseline).sum())} of {len(texts)}")
record("half-precision-labels-changed", int((half_labels != baseline).sum()), unit="labels", expected=(0, 2))

# %% [markdown]
# Nearly lossless, if hardly a label changes, for half of the 32 bits. What integers of 8 bits cost, a quarter of the
# 32, is in the first picture of this lesson.
#
# ## The article's listing, mended
#
# The listing walks through all parameters of BERT and replaces each by
# `torch.quantize_per_tensor(p, 0.1, 0.1, torch.qint8)`. Then it trains the result. Four things are wrong.
# The first two you can see at once:

# %%
import warnings

warnings.filterwarnings("ignore", message="torch.quantize_per_tensor")  # PyTorch is about to give these tensors up
weight = example.clone()
whole_zero = torch.quantize_per_tensor(weight, 0.1, 0, torch.qint8)
attempts = {
    "zero point 0.1": lambda: torch.quantize_per_tensor(weight, 0.1, 0.1, torch.qint8),
    "into the model": lambda: setattr(torch.nn.Parameter(weight), "data", whole_zero),
    "with a gradient": lambda: torch.nn.Parameter(weight.to(torch.int8)),
}
for what, attempt in attempts.items():
    try:
        attempt()
    except (TypeError, RuntimeError) as problem:
        print(f"{what:16} {type(problem).__name__}: {str(problem).splitlines()[0][:160]}")

# %% [markdown]
# 1. The **zero point** is the integer that stands for zero. 0.1 is none.
# 2. **Integers have no gradient.** With a zero point that is whole, PyTorch refuses to put the integers in the place of
#    a parameter, and from integers no parameter with a gradient can be made: only floats can be trained. You know the
#    way out.
#
# Suppose that both are mended, with zero point 0 and a round trip back to floats. Then there is the third:
#
# 3. **One scale, 0.1, for every tensor.** What is smaller than half of it becomes zero.
#
# **Which share of the model's weights becomes zero?**

# %%
predict("quantization.listing-zeros", 20, unit="% of all weights")  # ← your guess

# %%
kinds = {"biases": [], "LayerNorm": [], "matrices": []}
lost_weights = total = 0
for name, p in teacher.model.named_parameters():
    gone = (p.detach() / 0.1).round() == 0
    lost_weights, total = lost_weights + int(gone.sum()), total + p.numel()
    kind = "matrices" if p.ndim == 2 else "LayerNorm" if "LayerNorm.weight" in name else "biases"
    kinds[kind].append((float(p.detach().std()), float(gone.float().mean())))
reveal("quantization.listing-zeros", 100 * lost_weights / total)
record("listing-zeros", 100 * lost_weights / total, unit="% of all weights", expected=(30, 100))

# %%
show(
    plots.scale_of_tensors(kinds, step=0.1),
    alt="Share of each tensor that a step of 0.1 rounds to zero, against its standard deviation. "
    f"{sum(share > 0.5 for _, share in kinds['matrices'])} of {len(kinds['matrices'])} matrices lose more than half.",
)

# %% [markdown]
# A tensor on the dotted line has a standard deviation of half a step. If its numbers spread as a bell curve around
# zero, two thirds of them are smaller than that. The weights of LayerNorm lie around a number well above zero, so few
# of them become zero, or none.
#
# 4. **LayerNorm and biases are included.** They are a thousandth of the model, so there is nothing to save. The usual
#    advice is to leave them alone, because each of their numbers acts on a whole column of activations. Whether this
#    model minds is a question for a measurement: the last line of the table below.
#
# ### Exercise 5.6 · ●●○○ · 8 minutes
#
# Mend the first and the third. `scale_and_zero(smallest, largest)` returns what `torch.quantize_per_tensor` should have
# been given for `qint8`, the integers −128 to 127: the grid runs from the smallest weight to the largest, zero
# included. PyTorch wants the zero point as an `int`; −28.0 will not do.


# %%
@exercise("quantization.scale_and_zero")
def scale_and_zero(smallest, largest):
    ...  # your code


# %% [markdown]
# ### Exercise 5.7 · ●●○○ · 8 minutes
#
# Mend the loop. `round_matrices(parameters)` gets a dictionary from names to arrays. Round every *matrix* to the
# integers −127 to 127 and back, symmetrically, each on its own scale. Biases and LayerNorm stay.


# %%
@exercise("quantization.round_matrices")
def round_matrices(parameters):
    ...  # your code


# %%
def with_parameters(arrays):
    """What a copy of the teacher with these parameters answers, as float32."""
    copy = teacher.copy()
    state = {name: torch.as_tensor(np.asarray(a), dtype=torch.float32) for name, a in arrays.items()}
    copy.model.load_state_dict(state)
    return predict_once(copy, texts)


arrays = {name: p.detach().numpy() for name, p in teacher.model.named_parameters()}
scale, zero = scale_and_zero(float(weight.min()), float(weight.max()))
signed = torch.quantize_per_tensor(weight, float(scale), int(zero), torch.qint8)
gap = float((signed.dequantize() - weight).norm() / weight.norm())
print(f"one matrix with your scale and zero point: error {gap:.2%}")
fixed = {n: 0.1 * np.clip(np.round(a / 0.1), -128, 127) for n, a in arrays.items()}
mended = {"step 0.1 for all": with_parameters(fixed), "each matrix its own": with_parameters(round_matrices(arrays))}

# %%
vectors = {n: fixed[n] if a.ndim == 1 else a for n, a in arrays.items()}
mended["step 0.1 for LayerNorm and biases alone"] = with_parameters(vectors)
f1s = {words: macro_f1(truth, predicted) for words, predicted in mended.items()}
print(f"{'the teacher':40} F1 {teacher_f1:.3f}")
for words, predicted in mended.items():
    print(f"{words:40} F1 {f1s[words]:.3f}, against the teacher {compare(truth, baseline, predicted).points()}")
record("listing-f1", f1s["step 0.1 for all"], unit="macro-F1", expected=(0.0, 0.6))
record("mended-f1", f1s["each matrix its own"], unit="macro-F1", expected=(0.8, 0.97))

# %% [markdown]
# Read the last line. If its interval holds zero, this model hardly minds, and to leave the vectors alone is cheap
# insurance. What a step of 0.1 destroys is the matrices: compare the first line of the three with the last.
#
# ## Eight times smaller?
#
# The article reports a model of 120 M that quantization shrinks to 15 M: eight times. It does not say M of what; we
# take it for bytes. It speaks of 8-bit integers. From 32 bits to 8, as plain integers, is a factor of four at most.
# Eight times needs about four bits of *every* weight: with their scales in groups of 64 they are 4.25, which makes 7.5
# times. We divide the float32 file, which has the weights only, by the packed file, which has everything: integers,
# scales, tokenizer, labels.

# %%
from labkit.measure import file_size, size_on_disk

plain = file_size(teacher.model)
files = {
    "16 bits": Quantize(bits=16, head_bits=16, vector_bits=16),
    "8 bits": Quantize(bits=8, group=64, head_bits=8, vector_bits=16),
    "4 bits": Quantize(bits=4, group=64, head_bits=4, vector_bits=16),
}
ratios = {}
for words, step in files.items():
    copy = teacher.copy()
    step.finish(copy)
    ratios[words] = plain / size_on_disk(copy)
    difference = compare(truth, baseline, predict_once(copy, texts))
    record(f"smaller, {words}", ratios[words], unit="times", f1_difference=100 * difference.value)

# %% [markdown]
# Counted with their scales, 16, 8.25 and 4.25 bits are 2, 3.9 and 7.5 times. What the files have beyond that comes from
# their coding: small integers are more frequent than large ones, and get shorter codes. (The floats of the cast are
# coded as far as their exponents are alike.) That is the subject of lesson 09.
#
# ## Tune it
#
# The real weights of your teacher. Choose a matrix; set the bits, who shares a scale, and how far the grids reach, with
# the arrow keys. On the left the levels of a middle group, neither the finest nor the coarsest. Grey are the weights
# beyond them; groups with larger weights have wider grids, so grey weights need not be clipped, and the words below the
# picture say how many are. The few largest weights of the matrix are outside of the picture. On the right the error,
# among the errors whose F1 was measured above. **Measure** rounds every matrix of the real model with your setting,
# scores it, and adds the point.
#
# Three things to find out: At 2 bits and one scale a row, which reach has the least error? Which matrix has the largest
# error with one scale for all of it, and what does the picture show of the reason? Of all settings below 4 bits a
# weight, scales included, which one comes nearest to the teacher's F1?

# %%
from labkit.widgets import quantization as widget
from labkit.widgets.panel import static

whole = sum(float(w.norm()) ** 2 for w in matrices.values())
points = []
for clip, answers in (("max", nearest), ("mse", clipped)):
    for b, predicted in answers.items():
        gap = sum((error(w, Scheme(b, 64, clip=clip)) * float(w.norm())) ** 2 for w in matrices.values())
        points.append(((gap / whole) ** 0.5, macro_f1(truth, predicted)))
panel = widget.panel(teacher, task, points)
panel

# %% [markdown]
# The same at its first setting, for readers of a page without a kernel:

# %%
static(widget.view, matrices=widget.matrices_of(teacher), swept=points, layer="layer 0, query", bits=4, group=64)

# %% [markdown]
# ## The article says, we measured

# %%
from labkit.claims import verdicts

verdicts({
    "C08": f"symmetric and affine by hand: error at most half a step; 8 bits cost {lost[8]:+.1f} points; fixed point "
    "is the symmetric scheme with a power of two as its scale",
    "C11": f"a step with the rounding in the loop takes {pace['ratio']:.2f} of a plain step's time",
    "C14": f"lost: {lost[4]:.1f} points at 4 bits, {lost[2]:.1f} at 2; most sensitive: {' and '.join(tied)}",
    "C18": f"error at 4 bits: {median['one scale a matrix']:.0%} of a matrix with one scale, "
    f"{median['one for 64 weights']:.0%} in groups of 64",
    "C24": f"the listing stops with an error; mended half way it zeroes {lost_weights / total:.0%} of the weights, F1 "
    f"{f1s['step 0.1 for all']:.2f}; mended, {f1s['each matrix its own']:.2f}",
    "C30": f"8 bits: {ratios['8 bits']:.1f} times smaller; 4 bits, embeddings included: {ratios['4 bits']:.1f} times",
    "C46": f"float16: {int((half_labels != baseline).sum())} labels change; {ratios['16 bits']:.1f} times smaller",
    "C48": "gained by rounding in the loop: " + "; ".join(f"at {b} bits {g.points()}" for b, g in gains.items()),
})  # fmt: skip

# %% [markdown]
# ## Recap
#
# - A weight is an integer times a scale. Inside the range the error is at most half a step; zero stays zero.
# - One large weight sets the step for all who share its scale. At two bits the fourth level, which the affine scheme
#   has and the symmetric one has not, matters more than who shares.
# - Scales cost bits. Count them before you call a group size better.
# - At 8 bits let the grid reach the largest weight. At 2 bits clip, by least squared error.
# - Down to 4 bits little is lost, without any training. At 2 bits take the fourth level and clip first; then have the
#   rounding in the loop: gradients at the rounded weights, moves on the exact ones. It makes training slower, not
#   faster.
# - 16-bit floats are a cast: a factor of two. Eight times smaller needs about four bits for everything.
#
# ## Further reading
#
# - Jacob et al.: *Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference*, CVPR
#   2018, [arXiv 1712.05877](https://arxiv.org/abs/1712.05877). The schemes, and training with them. The article cites
#   another paper for this: Zhou et al. 2016 is *DoReFa-Net*, [arXiv 1606.06160](https://arxiv.org/abs/1606.06160).
# - Bengio, Léonard, Courville: *Estimating or Propagating Gradients Through Stochastic Neurons*, 2013,
#   [arXiv 1308.3432](https://arxiv.org/abs/1308.3432). The straight-through estimator.
# - Li, Zhang, Liu: *Ternary Weight Networks*, 2016, [arXiv 1605.04711](https://arxiv.org/abs/1605.04711).
# - Zhang et al.: *TernaryBERT*, EMNLP 2020, [arXiv 2009.12812](https://arxiv.org/abs/2009.12812). Three levels and a
#   teacher.
# - Nagel et al.: *Overcoming Oscillations in Quantization-Aware Training*, ICML 2022,
#   [arXiv 2203.11086](https://arxiv.org/abs/2203.11086). What you saw in the picture of one weight.
