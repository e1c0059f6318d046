# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Distillation: what does a teacher know that a label does not say?
#
# | you need | minutes (quick · full) | difficulty | in the article |
# |---|---|---|---|
# | lessons 02 to 05, and 09 for one table | 1 · 10 | ●●○○ | 4.3 case 1, 8.2 |
#
# The minutes are the machine's, when it has the teacher already. Take an hour and a half for yourself.

# %% [markdown]
# **Afterwards you can**
#
# 1. say what is in a teacher's scores beside the label, and bring it out with a temperature (exercise 10.1);
# 2. write the loss of distillation and its gradient by hand, and explain the factor T² and the limit of high
#    temperature (exercises 10.2 and 10.3);
# 3. mix teacher and labels, and put text to use that nobody labelled (exercises 10.4 and 10.5);
# 4. set up a fair race between two ways of training, and say what 420 headlines can tell and what not (exercise 10.6);
# 5. name three things that distillation cannot do, and show two of them.

# %% tags=["parameters"]
layers: int = 2  # layers of the student, of six
temperature: float = 2.0  # softens the scores of teacher and student, above 0
mix: float = 0.9  # weight of the teacher, 0 to 1; what is left goes to the labels
seed: int = 0  # order of the training rows
profile: str = "quick"  # quick: trainings of a few seconds · full: four times as long, and three teachers

# %%
from dataclasses import replace

import numpy as np

from labkit import Distill, KeepLayers, Policy
from labkit import exercise, fine_tune, load_task, predict, predict_once, record, reveal, show
from labkit.outputs import logits_once
from labkit.plots import distillation as plots

task = load_task("bbc-headlines", fold=0)
teacher = fine_tune(task)
texts, truth = task.texts("test"), task.truth("test")
scores = logits_once(teacher, texts)  # as teacher.logits(texts), and kept for the next time
baseline = scores.argmax(axis=1)

# %% [markdown]
# ## One word, or five numbers?
#
# In lesson 03 you repaired a pruned model "under a teacher", in lesson 04 a model without half of its layers. You took
# it on trust that this is a good way to train. This lesson takes it apart.
#
# The *label* of a headline is one word of five. The *teacher*, the model that you fine-tuned, gives five numbers: its
# scores, or *logits*. The softmax makes probabilities of them. The *student* is the smaller model. It can be trained
# to hit the label, or to say what the teacher says.
#
# **How sure is the teacher? Which probability does it give to its first choice?** (The median over the test headlines.)

# %%
predict("distillation.first-choice", 80, unit="%")  # ← your guess

# %%
from scipy.special import softmax

probabilities = softmax(scores.astype(float), axis=1)
reveal("distillation.first-choice", 100 * np.median(probabilities.max(axis=1)))

# %% [markdown]
# That does not leave much. But look at the headlines that the teacher is least sure about:

# %%
from labkit.theory import softening

rows = softening.undecided(scores, 3)
show(
    plots.answers([texts[row] for row in rows], probabilities[rows], truth[rows], task.labels),
    alt="What the teacher says of three headlines. " + " ".join(
        f"{texts[row]}: " + ", ".join(f"{name} {p:.0%}" for name, p in zip(task.labels, probabilities[row], strict=True))
        + f"; the label is {task.labels[truth[row]]}."
        for row in rows
    ),
)  # fmt: skip

# %% [markdown]
# Read them, and cover the labels. Would you have known? A label says that the other four topics are all equally wrong.
# The teacher says which of them is *nearly right*. It says how headlines resemble each other, and a student can learn
# that from one headline instead of from many.
#
# ### Is there enough of it?
#
# The student is not trained on these headlines. It is trained on the training headlines. The teacher was, too: it has
# seen each of them with its label, several times. Does it still have doubts there? And about text from the training
# articles, which it has never seen? The next figure counts how much probability is left for the other topics.

# %%
headlines, n = task.texts("train"), len(task.texts("train"))
# 400 pieces of 7 words, explained below; the first n rows are the headlines.
unlabelled = Distill(transfer=400, words=7, crop="pieces").rows(task, seed=seed)[0][n:]
kinds = {"training headlines": headlines, "test headlines": texts, "text from the training articles": unlabelled}
left = {
    name: np.sort(softmax(logits_once(teacher, some, batch_size=64).astype(float), axis=1), axis=1)[:, :-1].sum(axis=1)
    for name, some in kinds.items()
}
much = {name: float(np.mean(some >= 0.05)) for name, some in left.items()}
show(
    plots.doubts(left), alt="Share of texts that leave at least so much probability to other topics. At least 5 % in: "
    + ", ".join(f"{name} {share:.0%}" for name, share in much.items()),
)  # fmt: skip
for name, share in much.items():
    record(f"5 % left, {name}", 100 * share, unit="% of the texts")

# %% [markdown]
# On the training headlines the teacher repeats the label, and next to nothing else: it knows them by heart. On text
# that it has never seen it is less sure. Part of that says what a text is *nearly*. Part of it says only that the piece
# is about nothing: seven words from the middle of a sentence may fit any topic. There are two ways out, and one can go
# both: bring out the little that is there (that is *temperature*), and ask about other text. First the temperature.
#
# ## Warmer
#
# Divide all logits by a number $T$ before the softmax:
#
# $$p_i = \frac{e^{z_i/T}}{\sum_j e^{z_j/T}}$$
#
# For paper: three topics with the logits 4, 2 and 0. At $T=2$ they become 2, 1 and 0.
#
# | | first | second | third |
# |---|---|---|---|
# | $e^z$ at $T=1$ | 54.6 | 7.39 | 1 |
# | probability | 0.867 | 0.117 | 0.016 |
# | $e^{z/2}$ at $T=2$ | 7.39 | 2.72 | 1 |
# | probability | 0.665 | 0.245 | 0.090 |
#
# The order stays. The distances shrink: the odds of two topics are $e^{(z_i-z_j)/T}$, and at $T=2$ that is the square
# root of the odds before.
#
# ### Exercise 10.1 · ●●○○ · 8 minutes
#
# Write `soften(logits, temperature)` for logits of the shape (rows, classes). It must survive logits of any size.


# %%
@exercise("distillation.soften")
def soften(logits, temperature):
    ...  # your code; soften.hint() if you are stuck


# %% tags=["nbval-check-output"]
for warmth in (1, 2, 10, 100):
    print(f"T = {warmth:3}:", np.round(np.asarray(soften([[4.0, 2.0, 0.0]], warmth))[0], 3).tolist())

# %% [markdown]
# Now a real one. The teacher is sure of this headline, and yet another topic comes second, far before the rest.

# %%
second = np.sort(probabilities, axis=1)[:, -2]
typical = int(np.argmax(np.where(probabilities.max(axis=1) > 0.9, second, 0)))
warm = np.geomspace(0.5, 50, 60)
curve = np.array([np.asarray(soften(scores[[typical]], each))[0] for each in (*warm, temperature)])
print(f"{texts[typical]!r}, label: {task.labels[truth[typical]]}")
show(
    plots.temperature_curves(warm, curve[:-1], task.labels, marks=(temperature,)),
    alt="Probabilities of one headline against the temperature. " + "".join(
        f"At {each:g}: " + ", ".join(f"{name} {p:.1%}" for name, p in zip(task.labels, row, strict=True)) + ". "
        for each, row in ((warm[0], curve[0]), (temperature, curve[-1]))
    ) + f"All come together at {1 / len(task.labels):.0%} as it gets warm.",
)

# %% [markdown]
# Cold, there is one answer. Very warm, all answers are alike. In between one can see which topic comes second. Where
# lines lie on each other, the teacher sees hardly a difference: it has no third choice to tell. The grey line is the
# temperature of this lesson.
#
# ## How far is the student from the teacher?
#
# Soften both: $p$ is the teacher's answer, $q$ the student's. The *Kullback-Leibler divergence* says how far apart they
# are:
#
# $$\mathrm{KL}(p\,\|\,q) = \sum_i p_i\,\log\frac{p_i}{q_i}
# = \underbrace{-\sum_i p_i\log q_i}_{\text{cross-entropy}}
# - \underbrace{\Big(-\sum_i p_i\log p_i\Big)}_{\text{entropy of the teacher}}$$
#
# For paper, two topics, in nats:
#
# | | first | second | sum |
# |---|---|---|---|
# | teacher $p$ | 0.9 | 0.1 | |
# | student $q$ | 0.6 | 0.4 | |
# | $p\log(p/q)$ | 0.9 · 0.405 = 0.365 | 0.1 · (−1.386) = −0.139 | **0.226** |
# | $-p\log q$ | 0.460 | 0.092 | 0.551 |
# | $-p\log p$ | 0.095 | 0.230 | 0.325 |
#
# And 0.551 − 0.325 = 0.226. The student cannot change the teacher's entropy. So both have the same gradient, and one
# may train with either. The divergence is easier to read: it is zero when the student has learnt all there is.
#
# The loss of distillation is $T^2\cdot\mathrm{KL}$, the mean over the rows. The $T^2$ is explained below.
#
# ### Exercise 10.2 · ●●●○ · 12 minutes
#
# Write `imitation_loss(student, teacher, temperature)`. Both are logits of the shape (rows, classes).


# %%
@exercise("distillation.imitation_loss")
def imitation_loss(student, teacher, temperature):
    ...  # your code


# %% [markdown]
# The student of this lesson is the teacher without its upper layers. It has not been trained yet. What does your loss
# say of it, and what does the loss say that labkit trains with?

# %%
import torch

from labkit.steps.distill import distillation_loss

cut = Policy([KeepLayers(layers)]).apply(teacher, task)
untrained = logits_once(cut, texts)
batch = {"teacher_logits": torch.tensor(scores), "labels": torch.full((len(texts),), -1)}  # -1: no label
by_labkit = float(distillation_loss(torch.tensor(untrained), batch, temperature=temperature, mix=1.0))
by_hand = float(imitation_loss(untrained, scores, temperature))
p, q = (np.asarray(soften(logits, temperature)) for logits in (scores, untrained))
cross, entropy = float(-(p * np.log(q)).sum(axis=1).mean()), float(softening.entropy(p).mean())
print(f"by hand {by_hand:.4f}, by labkit {by_labkit:.4f}")
print(f"T² · (cross-entropy − entropy) = {temperature**2:g} · ({cross:.4f} − {entropy:.4f})"
      f" = {temperature**2 * (cross - entropy):.4f}")  # fmt: skip
record("loss-by-hand-over-labkit", by_hand / by_labkit, expected=(0.9999, 1.0001))

# %% [markdown]
# ## Why T²?
#
# Take $\mathrm{KL}$ alone, without the factor. The student learns from its gradient, here the one by the student's
# logits: one number for each topic, and together they have a length. **How many times shorter is the gradient at $T=20$
# than at $T=10$?** (The mean length over the test headlines. 1 means that it is the same.)

# %%
predict("distillation.gradient-10-over-20", 2, unit="times")  # ← your guess


# %%
def gradient_size(warmth, scaled):
    """The mean length of the gradient by the logits, over the test headlines."""
    return np.linalg.norm(
        softening.imitation_gradient(untrained, scores, temperature=warmth, scaled=scaled), axis=1
    ).mean()


ratio = gradient_size(10, scaled=False) / gradient_size(20, scaled=False)
reveal("distillation.gradient-10-over-20", ratio)
record("gradient-10-over-20", ratio, unit="times", expected=(3, 4.5))

# %% [markdown]
# Twice as warm, and the gradient falls to about a quarter. There are two reasons, and each takes one factor of two.
# First the chain rule. Only the cross-entropy depends on the student's logits $z_i$, and
# $\log q_i = z_i/T - \log\sum_j e^{z_j/T}$. Weighted with the $p_i$, which add up to 1, and with a minus:
#
# $$-\sum_i p_i\log q_i = -\sum_i p_i\,\frac{z_i}{T} + \log\sum_j e^{z_j/T}$$
#
# By $z_i$ the first part gives $-p_i/T$, the second $q_i/T$: own probability minus target, as with every
# cross-entropy, and $1/T$, because the softmax sees $z/T$.
#
# $$\frac{\partial\,\mathrm{KL}}{\partial z_i} = \frac{1}{T}\,(q_i - p_i)$$
#
# Second, $q$ and $p$ themselves come together as it gets warm. For large $T$ one may write $e^{z/T}\approx 1+z/T$. With
# $N$ topics, logits $z_i$ of the student and $v_i$ of the teacher, each shifted so that their mean is zero, the sum
# under the fraction is $N$, and $q_i\approx(1+z_i/T)/N$, $p_i\approx(1+v_i/T)/N$:
#
# $$q_i - p_i \approx \frac{z_i - v_i}{N\,T} \qquad\text{so}\qquad
# \frac{\partial\,\mathrm{KL}}{\partial z_i}\approx\frac{z_i-v_i}{N\,T^2}$$
#
# With plain gradient descent, whoever tries several temperatures would compare large steps with tiny ones. We train
# with Adam, which divides the size of the gradient out again (lesson 07). For us a second reason counts: the gradient
# of the labels does not shrink with $T$, and next to it a warm teacher would not be heard. The factor $T^2$ repairs
# both.
#
# ### Exercise 10.3 · ●●●○ · 10 minutes
#
# Write `imitation_gradient(student, teacher, temperature)`, the gradient of $T^2\cdot\mathrm{KL}$ by the student's
# logits, for one text.


# %%
@exercise("distillation.imitation_gradient")
def imitation_gradient(student, teacher, temperature):
    ...  # your code


# %%
logits = torch.tensor(untrained[typical : typical + 1].astype(float), requires_grad=True)
batch = {"teacher_logits": torch.tensor(scores[typical : typical + 1].astype(float)), "labels": torch.tensor([-1])}
distillation_loss(logits, batch, temperature=temperature, mix=1.0).backward()
by_hand = np.asarray(imitation_gradient(untrained[typical].astype(float), scores[typical].astype(float), temperature))
for name, own, found in zip(task.labels, by_hand, logits.grad[0].tolist(), strict=True):
    print(f"{name:14} by hand {own:+.4f}, by torch's autograd {found:+.4f}")
record("gradient-by-hand-off-by", float(np.abs(by_hand - logits.grad[0].numpy()).max()), expected=(0, 1e-6))

# %%
warm = np.array([1, 1.5, 2, 3, 5, 8, 12, 20, 35, 60, 100])
plain, scaled = ([gradient_size(each, scaled=times) for each in warm] for times in (False, True))
limit = softening.matching(untrained, scores).mean()
share = [each**2 * softening.divergence(untrained, scores, temperature=each).mean() / limit for each in warm]
show(
    plots.gradients(warm, plain, scaled, share),
    alt=f"From temperature 1 to 100 the gradient of KL falls from {plain[0]:.2f} to {plain[-1]:.6f}, with T² it goes from "
    f"{scaled[0]:.2f} to {scaled[-1]:.2f}. T² KL is {share[0]:.0%} of its limit at 1, at most {max(share):.0%}, "
    f"at {warm[np.argmax(share)]:g}, and {share[-1]:.0%} at the end.",
)
record("share-of-the-limit-at-100", share[-1], expected=(0.9, 1.1))

# %% [markdown]
# ### The hottest teacher
#
# The right picture shows where the loss goes as it gets hot. If the gradient becomes $(z_i-v_i)/N$, the loss becomes
#
# $$T^2\cdot\mathrm{KL}\;\longrightarrow\;\frac{1}{2N}\sum_i (z_i - v_i)^2 ,$$
#
# half of the mean squared distance of the logits, each centred on its mean. On the way the curve may lie *above* its
# limit. It does so where the teacher has one large score and several small ones: for the large one $1+z/T$, with which
# the limit reckons, is much less than $e^{z/T}$. For paper: a teacher of (2, 0), a student of (0, 0). Centred they are
# (1, −1) and (0, 0), and the limit is (1 + 1) / 4 = 0.5. At $T=10$ the loss is 0.4975. (That lies below: of two scores
# none is alone against several.)
#
# That method is older than its name: a student that *matches logits* (Buciluă et al. 2006; Ba and Caruana 2014). It is
# what distillation becomes at high temperature (Hinton et al., section 2.1). So the temperature is a knob between two
# ends. Cold, the student listens to the first choice. Hot, it also has to copy how little two hopeless topics differ.
# Nobody trained the teacher to get that right.
#
# ## Teacher and label
#
# Where there is a label, it would be a pity not to use it. The loss that you saw in lessons 03 and 04 has two terms:
#
# $$L = \text{mix}\cdot T^2\cdot\mathrm{KL} + (1-\text{mix})\cdot\text{cross-entropy with the label, at } T=1$$
#
# Text without a label carries −1 in its place. It counts in the first term. It must not count in the second.
#
# ### Exercise 10.4 · ●●○○ · 8 minutes
#
# Write `mixed_loss(soft, hard, labels, mix)`. `soft` has the first loss of each row, `hard` the second; where the label
# is −1, what stands in `hard` means nothing. Give one number: each term is the mean over the rows that count in it. A
# batch may have no label at all. Then the second term is zero.


# %%
@exercise("distillation.mixed_loss")
def mixed_loss(soft, hard, labels, mix):
    ...  # your code


# %%
from labkit.theory import cross_entropy

half = np.where(np.arange(len(truth)) % 2, truth, -1)  # as if every second headline had no label
soft = temperature**2 * softening.divergence(untrained, scores, temperature=temperature)
by_hand = float(mixed_loss(soft, cross_entropy(untrained, half), half, mix))
batch = {"teacher_logits": torch.tensor(scores), "labels": torch.tensor(half)}
by_labkit = float(distillation_loss(torch.tensor(untrained), batch, temperature=temperature, mix=mix))
print(f"by hand {by_hand:.4f}, by labkit {by_labkit:.4f}")
record("mixed-loss-by-hand-over-labkit", by_hand / by_labkit, expected=(0.9999, 1.0001))

# %% [markdown]
# (For the rows with −1 `cross_entropy` took the *last* class as the label, as Python does with an index of −1. These
# are the numbers that mean nothing.)
#
# ## Text that nobody labelled
#
# A teacher answers any text. It needs no label. We have the bodies of the *training* articles: thousands of sentences
# about the same topics, and no one ever said which topic a single sentence is about. (The bodies of the test articles
# stay closed. They repeat their headlines, and a student that had read them would have seen the test.)
#
# `Distill` has four settings for this text:
#
# - `transfer`: how many texts are added;
# - `words`: how many words of a text; `crop="start"` takes the beginning of each sentence, `crop="pieces"` cuts the
#   whole sentence into pieces of that length;
# - `repeat`: how often each headline comes for each time that a text does, so that the headlines do not drown in text.
#
# Why cut at all? The model will be asked about headlines, so it should practise on texts about as short as headlines.
# And a batch takes as long as its longest row.
#
# ### Exercise 10.5 · ●●○○ · 8 minutes
#
# Write `pieces(sentences, words)`: one list of all pieces. The last piece of a sentence may be shorter, but one word
# alone is no text: it stays with the piece before it.


# %%
@exercise("distillation.pieces")
def pieces(sentences, words):
    ...  # your code


# %% tags=["nbval-check-output"]
for words in (3, 4):
    print(list(pieces(["shares fall as oil price rises again", "minister wins the vote"], words)))

# %% [markdown]
# What does that text bring? One thing can be counted. A student that has never met a word in training has not practised
# on it. **Which share of the words of the test headlines is in no training headline?** (Tokens, in fact, as the model
# sees them: a rare word is several.)

# %%
predict("distillation.new-tokens", 3, unit="% of the tokens")  # ← your guess

# %%
from labkit.batches import encode

sentences, all_pieces = task.texts("transfer"), list(pieces(task.texts("transfer"), 7))
transfer = (1 if profile == "quick" else 7) * n  # so many pieces the race below will add; quick: as many as headlines
pick = [sentences[i] for i in np.random.default_rng(seed).permutation(len(sentences))[:n]]
shuffled = [all_pieces[i] for i in np.random.default_rng(seed).permutation(len(all_pieces))]
added = {
    "headlines alone": [], f"and {n:,} starts of 7 words": [" ".join(text.split()[:7]) for text in pick],
    f"and {n:,} pieces of 7 words": shuffled[:n], f"and {transfer:,} pieces of 7 words": shuffled[:transfer],
    f"and {n:,} whole sentences": pick, f"and all {len(sentences):,} sentences": sentences,
}  # fmt: skip

# %%
asked = [token for row in encode(teacher.tokenizer, texts) for token in row[1:-1]]  # without [CLS] and [SEP]
known = {token for row in encode(teacher.tokenizer, headlines) for token in row}
unseen = {}
for name, more in added.items():
    tokens = encode(teacher.tokenizer, more)
    met = known.union(*tokens)
    unseen[name] = 100 * float(np.mean([token not in met for token in asked]))
    if tokens:
        print(f"{name:28} {np.mean([len(row) for row in tokens]):5.1f} tokens a text")
mean = np.mean([len(row) for row in encode(teacher.tokenizer, headlines)])
print(f"{'a headline has':28} {mean:5.1f} tokens, [CLS] and [SEP] counted here and above")
reveal("distillation.new-tokens", unseen["headlines alone"])

# %%
from labkit.plots.pruning import bars

show(
    bars(unseen, title="Never met in training", xlabel="tokens of the test headlines that are in no training text (%)"),
    alt="Share of the test headlines' tokens that are in no training text: "
    + "; ".join(f"{name} {share:.1f} %" for name, share in unseen.items()),
)
record("new-tokens, headlines alone", unseen["headlines alone"], unit="% of the tokens", expected=(5, 30))
record("new-tokens, all sentences", unseen[f"and all {len(sentences):,} sentences"], unit="% of the tokens")

# %% [markdown]
# Nearly all words that were missing are in the articles. Text for text, a whole sentence brings more of them than a
# piece does, and is several times as long as a headline. Cut into pieces the same words make several questions to the
# teacher, each of them about as long as those that the student will be asked. The longer list of pieces is that of the
# race below. (In the quick profile there is one list only.) A word that was met in training: is that worth anything in
# F1? The race will tell.
#
# ## A fair race
#
# Now the student is trained. There are three contestants: the labels alone, the teacher on the same headlines, and the
# teacher on headlines and pieces. The third has more text. If all of them made the same number of *passes* it would
# also be trained longer, and longer alone may be the reason why it wins. So give all of them the same number of
# *steps*. They start from the same weights and have the same learning rate, in the same schedule, down to zero at their
# own last step.
#
# ### Exercise 10.6 · ●●○○ · 8 minutes
#
# Write `fair_epochs(rows, transfer, repeat, epochs, batch_size)`: how many passes over the labelled rows alone come
# nearest, in steps, to `epochs` passes over `repeat` times the rows and `transfer` other texts, all shuffled together.
# The last, smaller batch of a pass is a step, too.


# %%
@exercise("distillation.fair_epochs")
def fair_epochs(rows, transfer, repeat, epochs, batch_size):
    ...  # your code


# %%
passes = int(fair_epochs(n, transfer, 1, 1, 32))
plain = Distill(epochs=passes, temperature=temperature, mix=mix)
race = {
    "labels alone": replace(plain, mix=0.0),
    "teacher, headlines": plain,
    "teacher, headlines and pieces": replace(plain, epochs=1, transfer=transfer, words=7, crop="pieces"),
}
for name, distill in race.items():
    rows = len(distill.rows(task, seed=seed)[0])
    print(f"{name:30} {rows:6,} texts, passes: {distill.epochs}, steps: {distill.epochs * -(-rows // 32)}")

# %% [markdown]
# **How many points of macro-F1 does the teacher add to the labels, on the same headlines? And how many with the
# pieces?** (A negative number is a loss.)

# %%
predict("distillation.gain-headlines", 2, unit="points of macro-F1")  # ← your guess
predict("distillation.gain-pieces", 4, unit="points of macro-F1")  # ← and with more text

# %%
from labkit.statistics import compare, f1_interval


def train(distill):
    return Policy([KeepLayers(layers), distill]).apply(teacher, task, seed=seed)


students = {name: train(distill) for name, distill in race.items()}
said = {name: predict_once(student, texts) for name, student in students.items()}
gains = {name: compare(truth, said["labels alone"], one) for name, one in said.items() if name != "labels alone"}
reveal("distillation.gain-headlines", 100 * gains["teacher, headlines"].value)
reveal("distillation.gain-pieces", 100 * gains["teacher, headlines and pieces"].value)

# %%
from labkit.plots.pruning import criteria

losses = {name: compare(truth, one, baseline) for name, one in said.items()}
show(
    criteria(losses),
    alt="Points lost against the teacher: " + "; ".join(f"{name} {loss.points()}" for name, loss in losses.items()),
)
print(f"F1 of {layers} layers, not trained {f1_interval(truth, untrained.argmax(axis=1))}, teacher {f1_interval(truth, baseline)}")
for name, gain in gains.items():
    print(f"{name}, against labels alone: {gain.points()}")
    record(f"gain, {name}", 100 * gain.value, unit="points", interval=(100 * gain.low, 100 * gain.high), layers=layers)
for name, loss in losses.items():
    record(f"loss, {name}", 100 * loss.value, unit="points", interval=(100 * loss.low, 100 * loss.high), layers=layers)

# %%
added_text = compare(truth, said["teacher, headlines"], said["teacher, headlines and pieces"])
print(f"the pieces, against the teacher on headlines alone: {added_text.points()}")
halves = [50 * (one.high - one.low) for one in (*gains.values(), added_text)]
print(f"half of an interval is {min(halves):.1f} to {max(halves):.1f} points wide")
interval = (100 * added_text.low, 100 * added_text.high)
record("gain of the pieces, same teacher", 100 * added_text.value, unit="points", interval=interval, layers=layers)

# %% [markdown]
# First the large thing: every training brings back most of what was lost with the layers. The labels alone do, too.
# That is what the advice of the article's section 4.3 depends on: the upper layers may go, *if* the rest is trained
# afterwards.
#
# Then the small things. Is the third contestant behind the second? The same teacher taught both, for as many steps, and
# the line with the pieces compares them in pairs. If that interval holds the zero, there is nothing to explain. If it
# does not, one reason may be where the steps went: the more text is added, the fewer of them are about headlines (the
# numbers of texts are printed above the race), and headlines are what the student is asked about. We did not test that.
# `repeat` would be the knob, and a longer training. One thing can be said: the third student met more of the words of
# the test headlines than the others did. If its score is no higher for it, new words alone did not help here.
#
# And read the intervals. Half the width of one says how large a difference must be to stand out from zero; the last
# line gives it, for headlines of one fold and models compared in pairs. An interval that holds the zero does not say
# that two trainings are equally good. It says that these headlines do not know. And an interval that only just misses
# the zero says little: where there is no difference at all, one interval in twenty misses it by luck, and this lesson
# prints many. Besides, it is *one* training each: another order of the rows gives other points. For more one needs all
# folds. `labkit bench compression` takes them; here is what we have of it. (All losses are counted against the plain
# teacher: a negative loss is a gain.)

# %%
from labkit.reference import reference, reference_rows, reference_table

reference_table("compression", reference_rows("compression", "teacher", "structure", "distillation"))

# %% [markdown]
# Read the two rows of three layers first. They are the race of this lesson on all five folds: one student was trained
# on the labels alone, the other under the teacher, with pieces, for nearly as many steps. Each interval is against the
# teacher. To compare the two students you would need them in pairs, which the table does not hold. But if the two
# losses differ by far less than either interval is wide, a comparison in pairs will hardly part them: then we cannot
# say, on five folds, that the teacher adds anything here. What the table does show is a *better teacher*: one that has
# read the bodies as well. How that is done comes below.
#
# ### Where should a small file spend its bytes?
#
# The next table has our smallest files, the *pipelines*. All of them start from that better teacher, and are trained
# under it with headlines, pieces and hidden states (the first of the levers below). Their losses are counted against
# the plain teacher, as before. Against the teacher that taught them they lose more: add what that one gained in the
# table above. Their names say what they hold:
#
# - *layers*: those that were kept (lesson 04);
# - *FFN*: the two large matrices of each layer after attention, of which half or a quarter of the width was kept
#   (lesson 04);
# - *rows*: the tokens that have a row of their own in the embedding table; each other token uses the kept row that is
#   nearest to its own (lesson 09);
# - *bits*: of a weight, on average, as the entropy coder of lesson 09 writes it. So it may be 1.7. Where there are two
#   numbers, the first is for the layers and the second for the rows;
# - *head of 2*: bits of a weight of the pooler and the head. Where nothing is said it is 4;
# - *and pieces*: a word without a row is cut into smaller pieces that have one (lesson 09).
#
# They stand in pairs. The two files of a pair are about as large: they hold the same few bits, spent on different
# things. In the first pair it is two layers and 17,600 rows, or three layers and 13,000 rows. Which would you buy?
# **How many points less does the file with more rows lose?** (A negative number: it loses more.)

# %%
predict("distillation.rows-before-layers", 0, unit="points of macro-F1")  # ← your guess

# %%
pipelines = [row for row in reference("compression")["rows"] if row["name"].startswith("pipeline")]
reveal("distillation.rows-before-layers", pipelines[1]["f1_loss"] - pipelines[0]["f1_loss"])
for row in pipelines:
    lost = f"{row['f1_loss']:+.1f} points ({row['f1_loss_low']:+.1f} to {row['f1_loss_high']:+.1f})"
    print(f"{row['bytes'] / 1e6:.2f} MB, lost {lost}: {row['name'].removeprefix('pipeline, ')}")

# %% [markdown]
# Look at the first pair and at the third, the files of 0.9 MB. Both times the student with *fewer layers and more rows*
# loses less. In the third pair it is also a little larger. If that is more than chance, a reason may be this. A
# headline has about five words, which are six or seven tokens. There is not much between them that another layer could
# find out; but a word that uses another's row is read as that other word. In the pair between them it is the other way
# round: two narrow layers lose less than one wide layer with a few more rows. So it is no law. It is something to
# measure, and on long texts it may come out differently. Is it more than chance? The two losses of a pair differ by
# less than half the width of an interval; the table holds no comparison of the two in pairs; and each file is one
# training on each of five folds. That does not settle the question.
#
# The second pair and the third have one more file beside them, of about the same size: *trained longer*. Two things are
# different there. It has more rows, each with fewer bits. And it was trained on two and a half times as many pieces,
# nine in ten of all that the training articles give. Both times it loses least of the three. We changed two things at
# once, so the table does not say which of them helped. But note what the second one costs: minutes, once, and not a
# byte.
#
# The last three lines show how it goes on. What does it cost to give up nearly half of the bytes once more? The three
# are as large as one another, and spend their bytes in three ways: the first keeps four bits for each weight of the
# pooler and the head; the second gives them two, and has more rows for it; the third has pieces, stores no map, and has
# still more rows for that. Which is best? Hold the differences of the three losses against half the width of an
# interval before you say so.
#
# ## Three more levers
#
# (They are left to the full profile.)
#
# **Hidden states.** Why only the last five numbers? Inside, the teacher makes 384 numbers of each headline before it
# decides: what the last layer makes of [CLS], $t$. The student has as many, $s$. `hidden=1.0` adds how far they are
# apart, $\lVert s-t\rVert^2/\lVert t\rVert^2$. (TinyBERT matches every layer, and attention too. If the student is
# narrower than the teacher, a matrix has to be learnt between them.)
#
# **Several teachers.** Three teachers that were fine-tuned from three seeds make different mistakes. `teachers=3`
# averages their scores. The student is as small as before, only its training is dearer: three teachers instead of one.
#
# **A better teacher.** A student learns what its teacher says, so one may begin with the teacher. Nobody said which
# topic a single sentence is about. But somebody said it of the *article*. Give each piece the topic of its article: now
# and then that is wrong ("he said on Monday" is about nothing), most of the time it is right, and there are many
# thousands of them. That is called *weak labels*. `well_read(task)` trains on them: 12,000 pieces, and each headline
# four times. A teacher trained on them can teach, and its student can start from its weights. In the first table above
# it is "teacher, headlines and bodies", and the pipelines start from it. (It is no fair race. That teacher was also
# trained for several times as many steps as the plain one, and we did not part the two.)

# %%
from labkit.recipes import well_read

if profile == "full":
    committee = np.mean([logits_once(fine_tune(task, seed=each), texts) for each in (0, 1, 2)], axis=0).argmax(axis=1)
    read = predict_once(well_read(task), texts)
    for name, one in {"three teachers": committee, "one that was trained on bodies too": read}.items():
        print(f"{name}, against the teacher: {compare(truth, baseline, one).points()}")

# %%
best = race["teacher, headlines and pieces"]
levers = {"and hidden states": replace(best, hidden=1.0), "and three teachers": replace(best, teachers=3)}
levers = levers if profile == "full" else {}
more = {name: predict_once(train(distill), texts) for name, distill in levers.items()}
for name, one in more.items():
    gain = compare(truth, said["teacher, headlines and pieces"], one)
    print(f"{name}: {gain.points()} against the same without")
    record(f"gain, {name}", 100 * gain.value, unit="points", interval=(100 * gain.low, 100 * gain.high), layers=layers)

# %% [markdown]
# In the full profile, read the four lines one by one. (In the quick one there are none.) Each is one fold and one
# training.
#
# - *Hidden states*: if the interval holds the zero, they gained nothing that these headlines can see.
# - *Three teachers*: the first line is the three themselves, as a committee; the last line is their student. The
#   committee may gain nothing and its student something. That is no contradiction: the student imitates an average, and
#   an average may say more of what a text is nearly than one teacher does. It may also be luck: is the student's
#   interval clear of the zero, or does it only just miss it?
# - *The teacher that read bodies*: if its interval holds the zero, this fold does not settle it. The first table above
#   has the same teacher on five folds. Is its interval clear of the zero there?
#
# ## What distillation cannot do
#
# **It knows no source but the teacher.** Where the teacher is wrong about a text without a label, the student is *told*
# something wrong, and there is nobody else to ask. **Of the test headlines that the teacher gets wrong, in which share
# does the student (headlines and pieces) give the very same wrong answer?**

# %%
predict("distillation.repeated-mistakes", 50, unit="% of the teacher's mistakes")  # ← your guess

# %%
wrong = baseline != truth
repeated = {name: 100 * float(np.mean(one[wrong] == baseline[wrong])) for name, one in said.items()}
agree = {name: 100 * float(np.mean(one == baseline)) for name, one in said.items()}
reveal("distillation.repeated-mistakes", repeated["teacher, headlines and pieces"])
print(f"the teacher is wrong on {int(wrong.sum())} of {len(texts)} headlines")
for name, one in said.items():
    same = int((one[wrong] == baseline[wrong]).sum())
    print(f"{name:30} repeats {same} of them ({repeated[name]:.0f} %), agrees on {agree[name]:.0f} % of all headlines")
    record(f"repeated mistakes, {name}", repeated[name], unit="% of the teacher's mistakes")

# %% [markdown]
# The student of the labels repeats many of them as well, though nobody told it to. Its layers are the teacher's own,
# and some headlines are simply hard, or have a label that one can argue about. Do the others repeat more? The mistakes
# are few, and a handful of headlines more can be chance. Besides, on the training headlines this teacher is hardly ever
# wrong. So this does not show that being told made them worse. It shows that mistakes of the teacher's are still there.
#
# A student may come out *above* its teacher. With few headlines that happens by chance, now and then, and the interval
# tells. It might also be real, with more text or without: others have found that (Furlanello et al. 2018). Here, look
# at the figure of the race: does the student with more text come out above its teacher, left of the zero?
#
# **It makes nothing smaller.** The student of the labels and that of the teacher have the same shape:

# %%
from labkit.counting import parameters

policies = {name: Policy([KeepLayers(layers), distill]) for name, distill in race.items()}
sizes = {name: policy.packed(teacher, task, seed=seed).stat().st_size / 1e6 for name, policy in policies.items()}
print(f"{'teacher':30} {parameters(teacher.model) / 1e6:5.1f} million parameters")
for name, size in sizes.items():
    print(f"{name:30} {parameters(students[name].model) / 1e6:5.1f} million parameters, {size:.1f} MB packed")
spread = max(sizes.values()) / min(sizes.values()) - 1
record("size-spread-of-students", spread, expected=(0.0, 0.01))

# %% [markdown]
# The layers made it smaller. Distillation is how it was *trained*. Put it beside any step that loses something: in
# lesson 03 beside zeros, in lesson 05 beside few bits, and in the pipelines of the table above beside all of them at
# once.
#
# **It reaches no further than its text.** A student knows what the teacher says about the texts that it was shown. On
# texts of another kind, longer ones or ones about other things, it is on its own. (This third thing we did not show.)
#
# ## Tune it
#
# A real headline, what your teacher says of it, and what a student says. Choose a headline: the list has those that the
# teacher is least sure about, and last the one that it is surest about. Choose a student: just cut, trained on labels,
# or distilled. Move temperature and mix with the arrow keys. You see both answers, the push on each score (minus the
# gradient: to the right it goes up), and the two terms of the loss. **Measure** trains a real student at your setting
# for some seconds, and one on labels alone for as many steps, and adds the difference of their F1.
#
# Three things to find out. With the first headline and the student that was just cut: which scores does the teacher
# push up that the label pushes down, and who wins at a mix of 0.5? With the surest headline and the same student: does
# the teacher ever push more than one score up, however warm it gets, and why? (The pushes of one term add up to zero.)
# Measure two temperatures: each gain has an interval against labels alone. What would you need to compare the two
# temperatures? (Lesson 04: both on the same headlines, in pairs. Two intervals beside each other do not say it.)

# %%
from labkit.widgets import distillation as widget
from labkit.widgets.panel import static

voices = {
    "just cut": untrained, "trained on labels alone": logits_once(students["labels alone"], texts),
    "distilled": logits_once(students["teacher, headlines and pieces"], texts),
}  # fmt: skip
answers = widget.Answers(texts, truth, task.labels, scores, voices)
setting = {"temperature": temperature, "mix": mix}
points = [widget.measure_point(teacher, task, setting, lambda *words: None, lambda: False, layers=layers)]
panel = widget.panel(teacher, task, answers, points, layers=layers, **setting)
panel

# %% [markdown]
# The same at its first setting, for readers of a page without a kernel. The student of the last picture had two passes
# over the headlines, and so has each that you measure. The race says above how many passes its own students had: in the
# full profile more, so their gain is another one.

# %%
static(widget.view, answers=answers, points=points, row=answers.listed()[0][1], student="just cut", **setting)

# %% [markdown]
# ## The article says, we measured

# %%
from labkit.claims import verdicts
from labkit.statistics import macro_f1

verdicts({
    "C20": f"{layers} of 6 layers: F1 {macro_f1(truth, untrained.argmax(axis=1)):.2f} without training, "
    f"{macro_f1(truth, said['labels alone']):.2f} after training on labels alone, "
    f"{macro_f1(truth, said['teacher, headlines and pieces']):.2f} under the teacher with more text; the teacher has "
    f"{macro_f1(truth, baseline):.2f}",
    "C42": "one loss, derived and checked: mix · T² · KL + (1 − mix) · cross-entropy; against labels alone, in as many "
    "steps: " + "; ".join(f"{name} {gain.points()}" for name, gain in gains.items()),
})  # fmt: skip

# %% [markdown]
# ## Recap
#
# - A label is one word. A teacher's scores also say what a text is *nearly*. On its own training rows the teacher says
#   little beside the label.
# - Temperature brings the small scores out. The loss is $T^2\cdot\mathrm{KL}$: the $T^2$ keeps the gradient's size.
#   Very warm, it becomes matching of centred logits.
# - Rows without a label count in the teacher's term only. So text that nobody labelled can be used, from the training
#   side alone, cut to the length of what the model will see.
# - A race is fair with the same number of steps. Differences are paired, and have intervals. One fold cannot tell a
#   difference that is smaller than half an interval. An interval that only just misses the zero may do so by luck.
# - Distillation makes no model smaller, and can pass mistakes on. It is a way to train what another step has made
#   small.
# - "Distillation" and "knowledge distillation" are two names of one method.
#
# Now you have every step that makes a model smaller, and the training that brings back what it loses. Which steps to
# take, and how far, you can try yourself: put some into one `Policy`, and hold the result against the tables above.
#
# ## Further reading
#
# - Hinton, Vinyals, Dean: *Distilling the Knowledge in a Neural Network*, 2015,
#   [arXiv 1503.02531](https://arxiv.org/abs/1503.02531). Eight readable pages; section 2.1 has the limit.
# - Buciluă, Caruana, Niculescu-Mizil: *Model Compression*, KDD 2006. The idea, before the name.
# - Ba, Caruana: *Do Deep Nets Really Need to be Deep?*, NeurIPS 2014, [arXiv
#   1312.6184](https://arxiv.org/abs/1312.6184). Matching logits.
# - Sanh, Debut, Chaumond, Wolf: *DistilBERT*, 2019, [arXiv 1910.01108](https://arxiv.org/abs/1910.01108).
# - Jiao et al.: *TinyBERT*, Findings of EMNLP 2020, [arXiv 1909.10351](https://arxiv.org/abs/1909.10351). Hidden states
#   and attention.
# - Turc, Chang, Lee, Toutanova: *Well-Read Students Learn Better*, 2019,
#   [arXiv 1908.08962](https://arxiv.org/abs/1908.08962). How much text without labels is worth.
# - Furlanello et al.: *Born-Again Neural Networks*, ICML 2018, [arXiv 1805.04770](https://arxiv.org/abs/1805.04770).
#   Students of their teacher's own shape that come out above it.
# - Beyer et al.: *Knowledge distillation: A good teacher is patient and consistent*, CVPR 2022,
#   [arXiv 2106.05237](https://arxiv.org/abs/2106.05237). Very long trainings.
# - Stanton et al.: *Does Knowledge Distillation Really Work?*, NeurIPS 2021,
#   [arXiv 2106.05945](https://arxiv.org/abs/2106.05945). Students that do well without agreeing with their teacher.
