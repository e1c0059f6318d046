# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Structure: which layers, heads and columns can go?
#
# | you need | minutes (quick · full) | difficulty | in the article |
# |---|---|---|---|
# | lessons 00 to 03 | 2 · 6 | ●●○○ | 3.3, 4.3 case 1 |
#
# The minutes are the machine's. Take an hour and a quarter for yourself.

# %% [markdown]
# **Afterwards you can**
#
# 1. count the multiply-adds of a BERT layer, and say where the work is (exercise 4.1);
# 2. drop layers, and say which ones, what happens without training, and what training brings back (exercise 4.2);
# 3. compare two models on the same rows without being fooled by chance (exercise 4.3);
# 4. cut heads and columns out of the matrices for real, and choose them by what the loss says (exercises 4.4 and 4.5);
# 5. predict how much faster that makes a model, and measure where the prediction is too good (exercise 4.6).

# %% tags=["parameters"]
layers: int = 3  # layers that are left of six
heads: int = 6  # attention heads that are left in each layer, of twelve
width: int = 768  # columns of the feed-forward part that are left in each layer, of 1,536
seed: int = 0  # order of the training rows
profile: str = "quick"  # quick: 110 steps of training · full: 500, and every way to drop layers

# %%
import numpy as np

from labkit import Distill, KeepLayers, Policy, PruneMagnitude
from labkit import exercise, fine_tune, load_task, predict, predict_once, record, reveal, show
from labkit.plots import structure as plots
from labkit.steps import PruneFFN, PruneHeads

texts_and_repeats = (2_000, 1) if profile == "quick" else (12_000, 3)  # 110 steps of training, or 500
recover = Distill(epochs=1, transfer=texts_and_repeats[0], words=7, crop="pieces", repeat=texts_and_repeats[1])
task = load_task("bbc-headlines", fold=0)
teacher = fine_tune(task)
texts, truth = task.texts("test"), task.truth("test")
print(f"Fold 0: {len(texts)} headlines to test on. The teacher is ready.")

# %% [markdown]
# ## Where is the work?
#
# In the last lesson zeros made nothing faster. A kernel multiplies by a zero as by any other number. This lesson takes
# out whole parts instead: the matrices become *smaller*, and what is not there is not multiplied. It is called
# *structured* pruning. To know what a part is worth in time, first count what it costs.
#
# A layer of BERT has two parts. In **attention** each token looks at the others. Three matrices make a *query*, a *key*
# and a *value* of each token. One token's query times another's key is a score: how much the first should look at the
# second. Softmax turns a token's scores into shares that sum to 1, and the token gets the values of all tokens, added
# up in these shares. Query, key and value have 384 numbers in our model. A **head** does all this with its own 32 of
# them, and twelve heads work side by side. The *output* matrix mixes what they found. Then the **feed-forward part**
# treats each token alone: one matrix goes up to 1,536 numbers, a fixed curve (GELU) bends each of them, another matrix
# goes back down. We call each of the 1,536 numbers in the middle a *column*.
#
# Neither part replaces the token. What it makes is *added* to the token's 384 numbers, and the sum is normalised. So
# every layer takes 384 numbers a token and gives 384, and a model runs without some of its layers.
#
# A layer is then six matrices of weights, and two products in which no weight takes part: both factors come from the
# tokens. A multiplication and the addition of its result are one *multiply-add*: two of the FLOPs of lesson 01. A
# product of shapes $(a, b)$ and $(b, c)$ takes $a\cdot b\cdot c$ of them. Take three tokens of four numbers each, two
# heads of two numbers, and a feed-forward part with eight columns. (Biases, norms and softmax are little beside the
# products. We leave them out.)
#
# | product | shapes | multiply-adds |
# |---|---|---|
# | query, key, value, output | four times (3, 4) · (4, 4) | 4 × 48 = 192 |
# | scores: each token with each | for two heads (3, 2) · (2, 3) | 2 × 18 = 36 |
# | values, added up in the shares | for two heads (3, 3) · (3, 2) | 2 × 18 = 36 |
# | feed-forward, up | (3, 4) · (4, 8) | 96 |
# | feed-forward, down | (3, 8) · (8, 4) | 96 |
# | all | | 456 |
#
# Our model has six such layers. Its tokens have 384 numbers, it has 12 heads of 32 numbers, and 1,536 columns. **How
# much of a layer's work is in the feed-forward part**, for a headline of 12 tokens?

# %%
predict("structure.feed-forward-share", 50.0, unit="% of the multiply-adds")  # ← your guess

# %% [markdown]
# ### Exercise 4.1 · ●●○○ · 10 minutes
#
# Write `layer_macs(tokens, hidden, heads, head_size, width)`. Mind that `heads · head_size` need not be `hidden`: soon
# some heads will be missing.


# %%
@exercise("structure.layer_macs")
def layer_macs(tokens, hidden, heads, head_size, width):
    ...  # your code; layer_macs.hint() if you are stuck


# %%
from labkit.counting import macs, parameters

one = layer_macs(12, 384, 12, 32, 1536)
without_forward = layer_macs(12, 384, 12, 32, 0)
reveal("structure.feed-forward-share", 100 * (1 - without_forward / one))
counted = macs(teacher.model, length=12)
print(f"by the formula 6 × {one:,} = {6 * one:,}; counted while the model runs: {counted:,}")
record("formula-over-counter", 6 * one / counted, expected=(0.99, 1.0))

# %% [markdown]
# The counter finds a little more than six layers: the pooler and the classifier, which look at the first token only.
# And at 12 tokens the two products without weights are next to nothing: 2 · 12 · 12 · 384, about 0.1 of 21 million.
# They grow with the square of the length. For headlines, the weights are the work.
#
# There are three ways to have less of it. Fewer **layers**. Fewer **heads**: less attention in each layer. Fewer
# **columns**: a narrower feed-forward part. The article knows the first one.
#
# ## Six layers. Which can go?
#
# The article drops the last layers of BERT. Let us do that, and nothing else: the last two layers go, the classifier
# reads what the fourth layer gives it. **Which macro-F1 is left?** Guessing at random gives about 0.2.

# %%
predict("structure.f1-without-last-two", 0.8, unit="macro-F1")  # ← your guess

# %% [markdown]
# Why the last ones? One could drop the first ones as well, or every second one. Sajjad et al. tried these three and
# some more.
#
# ### Exercise 4.2 · ●○○○ · 6 minutes
#
# Write `kept_layers(count, drop, which)`: the list of the layers that *stay*, counted from 0, when `drop` of `count`
# go. `which` is `"last"`, `"first"` or `"alternate"`: every second layer, beginning with the last. Alternate never
# drops more than half.


# %%
@exercise("structure.kept_layers")
def kept_layers(count, drop, which):
    ...  # your code


# %%
from labkit.statistics import f1_interval, macro_f1

baseline = predict_once(teacher, texts)
ways = {"last": "the last go", "first": "the first go", "alternate": "every second goes"}
curves, untrained = {name: [(6, f1_interval(truth, baseline))] for name in ways.values()}, {}
for which, name in ways.items():
    for drop in (1, 2, 3):
        kept = tuple(int(layer) for layer in kept_layers(6, drop, which))
        untrained[kept] = predict_once(Policy([KeepLayers(kept)]).apply(teacher, task), texts)
        curves[name].append((6 - drop, f1_interval(truth, untrained[kept])))
said = np.bincount(untrained[0, 1, 2, 3], minlength=5)
counts = ", ".join(f"{name} {n}" for name, n in zip(task.labels, said, strict=True))
print(f"without the last two layers it says: {counts}")
reveal("structure.f1-without-last-two", macro_f1(truth, untrained[0, 1, 2, 3]))
record("f1-without-last-two", macro_f1(truth, untrained[0, 1, 2, 3]), unit="macro-F1", expected=(0.0, 0.5))

# %%
teacher_f1 = macro_f1(truth, baseline)
show(
    plots.f1_by_layers(curves, teacher=teacher_f1, chance=0.2),
    alt="Macro-F1 against layers left, no training: "
    + "; ".join(f"{name}: " + ", ".join(f"{n} {f1.value:.2f}" for n, f1 in line) for name, line in curves.items()),
)

# %% [markdown]
# Look at the line of the last layers. (Where one layer is gone, its point lies under that of "every second goes": both
# drop the last layer, so it is the same model.) The fourth layer does not know that it is the last one now. The
# classifier reads the first token. What it needs there, the layers above were going to put there. The counts above the
# picture show what the model says instead. If it says one topic to all headlines, or to nearly all, that is worse than
# guessing. A topic that is never said has F1 0, and macro-F1 is a fifth of what the one topic gets. On paper: with a
# fifth of the headlines in each topic, one topic for all has precision 1/5 and recall 1, so F1 1/3. Macro-F1 is 1/15.
#
# Then look at the other lines. The article advises to drop the *last* layers. Is that line the lowest of the three, and
# that of the *first* layers the highest? Then, without training, the article's way is the worst, and the first layers
# are missed least. A likely reason, which we did not measure: what the first layers add to the tokens is little, and
# the layers after them cope with less. Sajjad et al. trained after each cut, and there the first layers mattered most.
#
# The article keeps the first layers *for training*, and says no more about it. Those two words are the condition.
#
# ## A short training
#
# The same cuts, and then a short distillation: the student sees the training headlines, and pieces of the training
# articles that are as short as headlines, and imitates the teacher's scores. **Which F1 has the model whose last three
# layers went, after that?**

# %%
predict("structure.f1-half-the-layers-trained", 0.7, unit="macro-F1")  # ← your guess

# %%
from labkit.statistics import compare

compared = ("last",) if profile == "quick" else tuple(ways)
shallow = {}
for which in compared:
    kept = tuple(int(layer) for layer in kept_layers(6, 6 - layers, which))
    student = Policy([KeepLayers(kept), recover]).apply(teacher, task, seed=seed)
    shallow[which] = predict_once(student, texts)
reveal("structure.f1-half-the-layers-trained", macro_f1(truth, shallow["last"]))

# %%
trained = {f"{ways[which]}, then training": [(layers, f1_interval(truth, one))] for which, one in shallow.items()}
show(
    plots.f1_by_layers(curves, trained=trained, teacher=teacher_f1, chance=0.2),
    alt=f"The same curves, and above them the models with {layers} layers after training: "
    + "; ".join(f"{name} {line[0][1].value:.2f}" for name, line in trained.items()),
)
lost = {which: compare(truth, one, baseline) for which, one in shallow.items()}
for which, loss in lost.items():
    print(f"{ways[which]:18} lost against the teacher, on the same {len(truth)} headlines: {loss.points()}")
    record(f"loss, {which}", 100 * loss.value, unit="points", interval=(100 * loss.low, 100 * loss.high))

# %% [markdown]
# The open markers are the trained models, drawn a little to the left and right of their place, so that none hides
# another. The layers that are left learn to do without the others, in a short training. They do not start from nothing:
# they are a part of the teacher, and they have its embeddings and its classifier. In the profile `full` all three ways
# are trained (in `quick` you see one open marker). Where the three lie near each other, which layers go matters much
# before training, and little after. Whether one of them is still better is a question for the next section.
#
# How much is lost in the end depends on how long the training is, and one fold has few headlines. On all five folds we
# measured the two lines below: the teacher, and a student without the last three layers. Its training is longer than
# that of the profile `quick`, and shorter than that of `full`. `labkit bench compression --only distillation` measures
# both again.

# %%
from labkit.reference import reference_table

reference_table("compression", ["teacher", "distillation only, 3 layers"])

# %% [markdown]
# ## Is one of them better?
#
# Look at the line "the first go" again, at its points for three and for four layers. One of them is a little higher. Is
# that model better? Before you believe it, ask how much the difference would move with other headlines. The wrong way
# to ask: each score has its error, and the two are put together as if the models had seen different headlines, by the
# root of the sum of their squares. The right way: **both models answered the same headlines.** Where both are right, or
# both are wrong, they differ by nothing. We ask it of accuracy, the share of right answers, because accuracy is a mean
# over headlines. Macro-F1 is not; for it `compare` draws the headlines again, as in lesson 00, the same ones for both
# models. Take eight headlines:
#
# | headline | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | mean |
# |---|---|---|---|---|---|---|---|---|---|
# | first model right? | 1 | 1 | 1 | 1 | 1 | 1 | 0 | 0 | 0.75 |
# | second model right? | 1 | 1 | 1 | 1 | 1 | 0 | 0 | 0 | 0.625 |
# | change | 0 | 0 | 0 | 0 | 0 | −1 | 0 | 0 | −0.125 |
#
# The last row is all there is to say about the difference. Its mean is the difference, and the error of its mean is
# the standard deviation of the row over the root of 8. Here the row's standard deviation is 0.331 (divide by 8, as
# numpy's `std` does), so the error is 0.331/√8 = 0.117. And the wrong way? A row of zeros and ones with the mean $p$
# has the standard deviation $\sqrt{p(1-p)}$: 0.433 and 0.484 for the two models. Over √8 that is 0.153 and 0.171, and
# put together 0.230, about twice as much.
#
# ### Exercise 4.3 · ●●○○ · 10 minutes
#
# Write `paired_difference(truth, first, second)`: the accuracy of the second minus that of the first, and the standard
# error of this difference. All three are numpy arrays of label numbers. Numpy does not subtract True and False: make
# numbers of them first.


# %%
@exercise("structure.paired_difference")
def paired_difference(truth, first, second):
    ...  # your code


# %%
pair = untrained[2, 3, 4, 5], untrained[3, 4, 5]
difference, error = paired_difference(truth, *pair)
shares = [np.mean(each == truth) for each in pair]
unpaired = np.sqrt(sum(share * (1 - share) for share in shares) / len(truth))
print(f"three layers minus four: {100 * difference:+.2f} points of accuracy")
print(f"error in pairs {100 * error:.2f} points; as if on different headlines {100 * unpaired:.2f} points")
ends = (100 * (difference - 2 * error), 100 * (difference + 2 * error))
record("three-minus-four-layers", 100 * difference, unit="points of accuracy", interval=ends)
record("paired-over-unpaired-error", error / unpaired, expected=(0.2, 1.0))
for which in list(shallow)[1:]:  # in the profile full
    print(f"after training, F1 of “{ways[which]}” minus “{ways['last']}”: "
          f"{compare(truth, shallow['last'], shallow[which]).points()}")  # fmt: skip

# %% [markdown]
# A difference of less than about twice its error says nothing, whichever sign it has. Where two models are mostly right
# on the same headlines, pairs make the error smaller, for free. But they cannot make many headlines out of few. All
# losses in this lesson are printed with a paired interval: where it contains 0, these headlines cannot say which of the
# two models is better. In the profile `full` the last lines above ask that of the three ways to drop layers, after
# training.
#
# ## Fewer heads
#
# A head is a block of rows in the query, key and value matrices. With them it makes 32 numbers for each token. Then the
# output matrix $W_o$ reads the numbers of all heads, side by side: head $h$ meets 32 of its *columns*, $W_o^{(h)}$.
#
# $$y = W_o\,\begin{bmatrix}\text{head}_0(x)\\ \text{head}_1(x)\\ \vdots\end{bmatrix} + b_o
# = \sum_h W_o^{(h)}\,\text{head}_h(x) + b_o$$
#
# A head that goes takes its rows and its biases with it on one side, and its columns on the other. The bias $b_o$ is
# added once, whatever heads there are.
#
# A column of the feed-forward part, one of the 1,536 numbers in the middle, goes in the same way: with its row in the
# matrix that goes up, with that row's bias, and with its column in the matrix that goes down.
#
# ### Exercise 4.4 · ●●●○ · 12 minutes
#
# Write `narrow_heads(query, query_bias, output, output_bias, head_size, kept)`. PyTorch keeps a weight as (outputs,
# inputs). Return the four arrays, cut down to the heads in the list `kept`. (Key and value are cut as the query is.)


# %%
@exercise("structure.narrow_heads")
def narrow_heads(query, query_bias, output, output_bias, head_size, kept):
    ...  # your code


# %% [markdown]
# On the real model: we cut all layers down to their first heads. In a copy we leave the matrices as large as they are,
# and put zeros into the columns of the output matrix that read the other heads. Both must give the same answers.

# %%
from labkit import structure

narrow, masked = teacher.copy(), teacher.copy()
structure.keep_heads(narrow.model, [range(heads)] * 6)
for layer in masked.model.bert.encoder.layer:
    layer.attention.output.dense.weight.data[:, 32 * heads :] = 0
gap = np.abs(narrow.logits(texts[:64]) - masked.logits(texts[:64])).max()
attention = narrow.model.bert.encoder.layer[0].attention
shapes = tuple(attention.self.query.weight.shape), tuple(attention.output.dense.weight.shape)
print(f"query and output matrix of layer 0 now: {shapes[0]}, {shapes[1]}; largest difference of any score: {gap:.1e}")
record("narrow-against-zeros", float(gap), unit="largest difference of a score", expected=(0.0, 1e-4))

# %% [markdown]
# The same answers, but for rounding, from smaller matrices. That is the difference between the last lesson and this
# one.
#
# ## Which heads? Ask the loss
#
# We took the *first* heads, for no reason. Size is one way to choose: keep those with the largest weights. The loss
# knows more. Call it $L$, and imagine a factor $m_h$ before each head's output, 1 for all heads now. How would the loss
# change if one of them went from 1 to 0? To first order by minus the derivative, and we need only its size. The
# derivative is
#
# $$y = \sum_h m_h\,W_o^{(h)}\,\text{head}_h(x) + b_o, \qquad
# \frac{\partial L}{\partial m_h} = \sum_{i,\;j\,\in\,\text{head}\ h} W_{ij}\,\frac{\partial L}{\partial W_{ij}}$$
#
# Here $W_{ij}$ are the entries of $W_o$. Why? With $z_j$ for the numbers that the heads give, $y_i$ has the terms
# $m_h W_{ij} z_j$, so $\partial L/\partial m_h = \sum_{ij} \partial L/\partial y_i \cdot W_{ij} z_j$. And
# $\partial L/\partial y_i \cdot z_j$ is $\partial L/\partial W_{ij}$ while $m_h = 1$. With more than one token both
# sides are summed over the tokens.
#
# No factor has to be built in: the weight times its gradient, summed over the head's columns, *is* the derivative. Its
# absolute value in each batch, averaged over batches of training headlines, is the head's score. It works for columns
# of the feed-forward part in the same way, with the matrix that goes down: there every column has a factor of its own.
#
# On paper: a column has the weights 2 and −1. In one batch their gradients are 0.3 and 0.1, which gives 0.6 − 0.1 =
# 0.5. In the next batch they are −0.2 and 0.2, which gives −0.4 − 0.2 = −0.6. The score is (0.5 + 0.6)/2 = 0.55.
#
# ### Exercise 4.5 · ●●○○ · 10 minutes
#
# Write `column_importance(weight, gradients)`. `weight` has the shape (outputs, columns), `gradients` the shape
# (batches, outputs, columns). Return one score for each column.


# %%
@exercise("structure.column_importance")
def column_importance(weight, gradients):
    ...  # your code


# %%
from labkit.importance import head_scores

scores = np.stack([each.numpy() for each in head_scores(teacher, task, criterion="first-order")])
show(
    plots.head_map(scores),
    alt="A grid of 6 layers by 12 heads, each layer in units of its best head; dark is worth most. The best head of "
    "each layer from the first on: " + ", ".join(str(best) for best in scores.argmax(axis=1)),
)
share = np.sort(scores / scores.sum(axis=1, keepdims=True), axis=1)[:, ::-1][:, :3].sum(axis=1).mean()
print(f"in a layer, the best three of twelve heads have {share:.0%} of the score; if all were alike, {3 / 12:.0%}")
record("share-of-best-three-heads", float(share), expected=(0.25, 0.95))

# %% [markdown]
# The best three of twelve always have a quarter or more. The further the first share is above the second, the more a
# few heads carry of a layer, says the score, and the more of the others might be spared. But it judges by training
# headlines, one head at a time and to first order. What happens when half of them go at once?
#
# And does the loss choose better than size? We cut both ways and train nothing, so that the choice is all there is.

# %%
panels = {
    "heads left in each layer": (PruneHeads, (12, 6, 3)),
    "columns left in each layer": (PruneFFN, (1536, 768, 384)),
}
swept, answers = {words: {} for words in panels}, {}
for words, (step, counts) in panels.items():
    for criterion in ("first-order", "magnitude"):
        line = [(counts[0], f1_interval(truth, baseline))]
        for count in counts[1:]:
            cut = Policy([step(count, criterion=criterion)]).apply(teacher, task)
            answers[words, count, criterion] = predict_once(cut, texts)
            line.append((count, f1_interval(truth, answers[words, count, criterion])))
        swept[words][criterion] = line

# %%
show(
    plots.part_curves(swept, teacher=teacher_f1),
    alt="Macro-F1 without training. " + " ".join(
        f"{words}: " + "; ".join(f"{name} " + ", ".join(f"{n} {f1.value:.2f}" for n, f1 in line)
                                 for name, line in lines.items()) + "."
        for words, lines in swept.items()
    ),
)  # fmt: skip
for words, lines in swept.items():
    for name, line in lines.items():
        record(f"f1-half-of-the-{words.split()[0]}-{name}", line[1][1].value, unit="macro-F1")

# %%
for words, (_, counts) in panels.items():
    for count in counts[1:]:
        by_loss, by_size = (answers[words, count, criterion] for criterion in ("first-order", "magnitude"))
        print(f"{count} {words}: F1 of first-order minus magnitude {compare(truth, by_size, by_loss).points()}")

# %% [markdown]
# The bars in the picture belong to each score alone. The lines below it compare in pairs. Where such an interval
# contains 0, these headlines cannot tell the two rules apart, whichever sign the difference has. If all of them do, the
# test has not found a better rule. If one of the four just misses 0, remember that of twenty intervals of 95 % one
# misses the truth by luck.
#
# Compare with the curves of whole layers above (mind the axis, it began at 0 there). Half of the heads are about as
# much work as one layer, half of the columns as much as two. Which model has more F1 left: the one with six narrower
# layers, or the one with five or four whole ones? If it is the narrower one, a likely reason is that every layer is
# still there, a little poorer. Now take half of the heads *and* half of the columns: as many multiply-adds as half of
# the layers. First without training, then with it.

# %%
cuts = [PruneHeads(heads), PruneFFN(width)]
broken, shallow_cut = {}, [KeepLayers(tuple(range(layers)))]
for name, steps in (("six narrow layers", cuts), (f"the first {layers} whole layers", shallow_cut)):
    broken[name] = predict_once(Policy(steps).apply(teacher, task), texts)
    print(f"before training, F1 of {name}: {f1_interval(truth, broken[name])}")

# %%
student = Policy([*cuts, recover]).apply(teacher, task, seed=seed)
slim = predict_once(student, texts)
lost["slim"], against = compare(truth, slim, baseline), compare(truth, shallow["last"], slim)
print(f"after training, six narrow layers, lost against the teacher: {lost['slim'].points()}")
print(f"after training, F1 of six narrow layers minus that of {layers} whole ones: {against.points()}")
ends = (100 * lost["slim"].low, 100 * lost["slim"].high)
record("loss, slim", 100 * lost["slim"].value, unit="points", interval=ends)
record("slim-minus-shallow", 100 * against.value, unit="points", interval=(100 * against.low, 100 * against.high))

# %% [markdown]
# Before training the two are far apart: look at their F1. (The shallow model lost its last layers, the worst way when
# nothing is trained.) After training look at the last interval: if it contains 0, we cannot say which of the two is
# better; if it lies below 0, the order has turned round. In both cases the shallow model has caught up, as far as these
# headlines can tell. So the order of two cuts before training need not be their order after it.
#
# ## What really gets faster?
#
# Two models with the same number of multiply-adds: three whole layers, or six layers with half of the heads and half of
# the columns. **How long do the six narrow layers take for one headline, compared with the whole model?**

# %%
predict("structure.time-of-six-narrow-layers", 0.5, unit="of the whole model's time")  # ← your guess

# %%
from labkit import pack
from labkit.cost import Cost, Plan
from labkit.steps.base import encoder_weights
from labkit.widgets.structure import policy_of

cost, six = Cost(teacher.model), tuple(range(6))
plans = {
    "whole": cost.whole, f"{layers} of 6 layers": Plan(tuple(range(layers)), 12, 1536),
    f"{heads} of 12 heads": Plan(six, heads, 1536), f"{width} of 1,536 columns": Plan(six, 12, width),
    "both": Plan(six, heads, width), "3 heads, 384 columns": Plan(six, 3, 384),
}  # fmt: skip
policies = {name: policy_of(plan, cost.whole) for name, plan in plans.items()}
policies["80 % zeros"] = Policy([PruneMagnitude(0.8)])
files = {name: policy.packed(teacher, task) for name, policy in policies.items()}
models = {name: pack.load(path).model for name, path in files.items()}

# %%
from dataclasses import asdict

import torch

from labkit.asked import asked_once
from labkit.batches import encode, pad
from labkit.cache import default_cache
from labkit.latency import Latency, race

# %%
ids = encode(teacher.tokenizer, texts)
batches = {1: pad([sorted(ids, key=len)[len(ids) // 2]]), 32: pad(ids[:32])}


def forward(model, batch):
    with torch.inference_mode():
        return model(**batch)


# %% [markdown]
# All of them run in turn, in random order, so that whatever slows this machine down hits all of them. Once with one
# headline, once with 32 at a time. The times are asked for once and kept. If the intervals in the picture are wide,
# something else was running: set `cache=None` in `asked_once` and run the cell again.


# %%
def ask(batch):
    calls = {name: lambda model=model: forward(model, batches[batch]) for name, model in models.items()}
    return {name: asdict(time) for name, time in race(calls, rounds=40 if batch == 1 else 10).items()}


facts = {"models": {name: policy.to_json() for name, policy in policies.items()}, "teacher": teacher.fingerprint}
asked = {
    batch: asked_once("race of structures", lambda batch=batch: ask(batch), cache=default_cache(),
                      code=["labkit.latency"], batch=batch, **facts)
    for batch in batches
}  # fmt: skip
times = {batch: {name: Latency(**time) for name, time in answer.items()} for batch, answer in asked.items()}
reveal("structure.time-of-six-narrow-layers", times[1]["both"].ratio)

# %%
work = {name: cost.macs(plan) / cost.macs(cost.whole) for name, plan in plans.items()}
zeros = sum(int((w == 0).sum()) for w in encoder_weights(models["80 % zeros"]).values())
work["80 % zeros"] = 1 - 12 * zeros / cost.macs(cost.whole)  # what would be left if zeros were skipped
rows = {name: (share, {batch: times[batch][name] for batch in times}) for name, share in work.items()}
show(
    plots.work_and_time(rows),
    alt="Share of multiply-adds not by zero, and share of time in batches of 1 and 32: "
    + "; ".join(f"{name} {share:.2f}, {t[1].ratio:.2f}, {t[32].ratio:.2f}" for name, (share, t) in rows.items()),
)
for name in models:
    print(f"{name:22} {parameters(models[name]) / 1e6:5.1f} million parameters {files[name].stat().st_size / 1e6:5.1f} "
          f"MB {work[name]:4.0%} not by zero {times[1][name].p50:6.2f} ms for 1, {times[32][name].p50:5.1f} ms for 32")

# %%
for name, key in (("80 % zeros", "zeros"), (f"{layers} of 6 layers", "layers"), ("both", "heads-and-columns")):
    for batch in times:
        time = times[batch][name]
        usual, ends = (0.85, 1.2) if key == "zeros" else (0.3, 0.95), (time.low, time.high)
        record(f"time-{key}-batch-{batch}", time.ratio, unit="of the whole model's time", interval=ends,
               expected=usual, work=work[name])  # fmt: skip

# %% [markdown]
# Read four things from the picture and the table. A marker is the time, and its line the interval:
#
# - **Zeros**: four fifths of the multiply-adds are by zero. The bar, and the share not by zero in the table, count only
#   the others: what would be left if zeros were skipped. Where the interval contains 1, or ends a hundredth or two
#   beside it, nearly all of the time is still there. Unstructured pruning gains nothing worth having on dense kernels.
# - **Layers**: where the interval lies at the end of the bar, time falls with the work. Everything that a layer does
#   goes with it. Where it lies a little right of it, look for what is outside the layers: that stays.
# - **Bytes**: half of the work is gone, but far less than half of the file. The table of words is half of the whole
#   model, and no cut of a layer touches it. [Lesson 09](09_storage.ipynb) does. (The file with zeros says where they
#   are and stores the other weights only, as in the last lesson. The others keep every weight as a plain float.)
# - **Heads and columns** (“both”): the work is halved. Where the interval lies right of the bar, the time is not. In
#   each of the six layers PyTorch still starts every operation, normalises, adds, and looks after its tensors. That is
#   nearly the same for a narrow layer. In a batch of 32 it should weigh less than for a single headline, because there
#   the real work is larger. Where an interval reaches over the end of its bar, this run cannot tell.
#
# ## How much faster? Amdahl's law
#
# A part that keeps a share of its time makes the *whole* faster only as far as it matters in the whole. Say attention
# takes 2 ms, the feed-forward part 4 ms and all the rest 2 ms. Half of the columns go: 8 ms become 6 ms, a factor of
# 1.33 and not of 2. That is **Amdahl's law**: what does not become faster limits what the rest can bring.
#
# ### Exercise 4.6 · ●●○○ · 8 minutes
#
# Write `speedup(milliseconds, kept)`. `milliseconds` maps the parts to their time, `kept` maps some of the parts to the
# share of it that stays; a part that it does not name stays as it is. Return how many times faster the whole becomes.


# %%
@exercise("structure.speedup")
def speedup(milliseconds, kept):
    ...  # your code


# %% [markdown]
# To use it here we need the parts of *this* model on *this* machine. The race gives the time of each model as a share
# of the whole one's, taken in pairs. Times the whole one's milliseconds, these are the times that we fit three numbers
# to: milliseconds outside the layers, milliseconds for each layer however narrow it is, and milliseconds for a million
# multiply-adds. None of them may be negative. The second number, times six layers, is the "overhead of layers" below.
# The third, times the multiply-adds of attention and of the feed-forward part, gives the last two of the four parts.
# “Both” is the model that we predict, so it is not among those that we fit to.

# %%
from labkit.cost import Times

fits = {
    batch: Times(cost, {plan: times[batch][name].ratio * times[batch]["whole"].p50
                        for name, plan in plans.items() if name != "both"}, length=tokens["input_ids"].shape[1])
    for batch, tokens in batches.items()
}  # fmt: skip
kept = {"attention": heads / 12, "feed-forward": width / 1536}
for batch, fit in fits.items():
    print(f"batch of {batch}: " + ", ".join(f"{part} {ms:.2f} ms" for part, ms in fit.parts.items()))
    print(f"    by Amdahl {speedup(fit.parts, kept):.2f} times faster, measured {1 / times[batch]['both'].ratio:.2f}, "
          f"by multiply-adds alone {1 / work['both']:.2f}")
    record(f"amdahl-over-measured-batch-{batch}", speedup(fit.parts, kept) * times[batch]["both"].ratio,
           expected=(0.8, 1.25))  # fmt: skip

# %% [markdown]
# Compare the three speed-ups of a batch. The multiply-adds alone count as if all of the time shrank with them. If they
# promise more than was measured, they left out what stays. Amdahl's law counts what stays, as far as the fit could see
# it, so it should come nearer to the measured number.
#
# The part "overhead of layers" is what a narrow layer cannot save. If it is near zero above, the fit could not see it:
# the times were too unsteady. On a quiet machine it is a visible part of a single headline's time, and that is why you
# drop whole layers first there. A runtime with less overhead than PyTorch, such as the one in
# [lesson 06](06_bert_int8.ipynb), should give more of it back.
#
# ## Tune it
#
# Choose how many layers stay and which go first, how many heads, how many columns. The left picture shows what stays:
# the heads are those that the loss wants to keep. The words give parameters, bytes, work and time at once: they are
# counted, or come from the fit. F1 is not computed by a formula. The points on the right are models that you measured
# above. **Measure** makes the real one, trains it if you ask for that, and adds its point.
#
# Three things to find out: Of the cuts that leave a quarter of the multiply-adds, which is fastest? How many heads can
# go before the untrained model is worse than the one that lost its first two layers? Does a model of one layer,
# trained, come near one of three?

# %%
from labkit.widgets import structure as widget
from labkit.widgets.panel import static

shapes = widget.Shapes(teacher, task, fits)
points = [widget.Measured(cost.whole, False, teacher_f1)]
points += [widget.Measured(Plan(kept, 12, 1536), False, macro_f1(truth, found)) for kept, found in untrained.items()]
for words, (step, _) in panels.items():
    for n, f1 in swept[words]["first-order"][1:]:
        points.append(widget.Measured(Plan(six, *((n, 1536) if step is PruneHeads else (12, n))), False, f1.value))
for which, one in shallow.items():
    points.append(widget.Measured(shapes.plan(layers, which, 12, 1536), True, macro_f1(truth, one)))
for done, found in ((False, broken["six narrow layers"]), (True, slim)):
    points.append(widget.Measured(plans["both"], done, macro_f1(truth, found)))
panel = widget.panel(teacher, task, shapes, points, training=recover)
panel

# %% [markdown]
# The same at its first setting, for readers of a page without a kernel:

# %%
static(widget.view, shapes=shapes, points=points, layers=4, way="last", heads=9, width=1152)

# %% [markdown]
# ## The article says, we measured

# %%
from labkit.claims import verdicts

zeros, last, both = (times[1][name] for name in ("80 % zeros", f"{layers} of 6 layers", "both"))
verdicts({
    "C03": "zeros leave the file and the arithmetic: 80 % zeros are "
    f"{files['80 % zeros'].stat().st_size / 1e6:.1f} MB when coded, and {zeros.ratio:.2f} of the time; half of the "
    f"heads and columns {files['both'].stat().st_size / 1e6:.1f} MB as plain floats, and {both.ratio:.2f} of the time",
    "C13": f"parts are removed, not zeroed: of the time for one headline are left {zeros.ratio:.2f} with 80 % "
    f"zeros, {last.ratio:.2f} with {layers} of 6 layers, {both.ratio:.2f} with half of the heads and columns; of the "
    f"work {work[f'{layers} of 6 layers']:.2f} and {work['both']:.2f} in the last two",
    "C20": f"it is trained afterwards: with {layers} layers and a short distillation the loss is "
    f"{lost['last'].points()}; untrained, without the last two layers, F1 falls from {teacher_f1:.2f} to "
    f"{macro_f1(truth, untrained[0, 1, 2, 3]):.2f}",
})  # fmt: skip

# %% [markdown]
# ## Recap
#
# - Zeros are multiplied. What is not there is not. Structured pruning makes matrices smaller, and the model faster.
# - Dropping the last layers ruins the model at once. With a short training afterwards it works with half of the layers;
#   the table of five folds says what is lost. Which layers go matters much before training. Profile `full` asks whether
#   it still does after.
# - A head goes with its rows, their biases, and its columns in the output matrix. The narrow model gives the same
#   answers as the whole one with zeros in these places.
# - Weight times gradient, summed over a part, estimates what the part is worth to the loss. Whether that chooses better
#   than size, the paired lines say.
# - The order of two cuts before training need not be their order after it.
# - Multiply-adds are not milliseconds. Layers take their overhead with them; heads and columns leave it behind.
# - Differences are taken in pairs, with their error, before anything is called better.
#
# ## Further reading
#
# - Sajjad, Dalvi, Durrani, Nakov: *On the Effect of Dropping Layers of Pre-trained Transformer Models*, Computer Speech
#   & Language 2023, [arXiv 2004.03844](https://arxiv.org/abs/2004.03844).
# - Fan, Grave, Joulin: *Reducing Transformer Depth on Demand with Structured Dropout*, ICLR 2020,
#   [arXiv 1909.11556](https://arxiv.org/abs/1909.11556). Training so that layers can be dropped later.
# - Michel, Levy, Neubig: *Are Sixteen Heads Really Better than One?*, NeurIPS 2019,
#   [arXiv 1905.10650](https://arxiv.org/abs/1905.10650).
# - Molchanov, Mallya, Tyree, Frosio, Kautz: *Importance Estimation for Neural Network Pruning*, CVPR 2019,
#   [arXiv 1906.10771](https://arxiv.org/abs/1906.10771). The first-order criterion.
# - Xia, Zhong, Chen: *Structured Pruning Learns Compact and Accurate Models*, ACL 2022,
#   [arXiv 2204.00408](https://arxiv.org/abs/2204.00408). Layers, heads and columns together, with distillation.
# - Amdahl: *Validity of the single processor approach to achieving large scale computing capabilities*, AFIPS 1967.
