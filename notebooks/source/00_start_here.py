# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Start here: this machine, this task, a first prediction
#
# | you need | minutes (quick · full) | difficulty | in the article |
# |---|---|---|---|
# | a little Python | 1 · 5 | ●○○○ | 1, 5.1 |
#
# The minutes are the machine's; most of them train one model, once. Take half an hour for yourself.

# %% [markdown]
# **Afterwards you can**
#
# 1. work with this workbook: predict, measure, compare, answer an exercise, use a widget (all of them,
#    below);
# 2. say what this machine can hold and do, in bytes and operations a second (the machine card);
# 3. compute macro-F1 by hand, and say why it is not the share of right answers (exercise 0.1);
# 4. fine-tune a real language model and say what it gains over counting words, with an interval (section 3);
# 5. tell how much slower one thing is than another, on a machine that is busy with other things (exercise
#    0.2).

# %% tags=["parameters"]
seed: int = 0  # of the new layer's first weights and of the order of the training rows
profile: str = "quick"  # quick: one fold · full: all five folds

# %%
import time

import pandas as pd
from IPython.display import Markdown

from labkit import exercise, fine_tune, load_task, predict, predict_once, probe, record, reveal, show
from labkit.plots import machine as plots


def table(frame):
    return frame.style.hide().set_table_styles([{"selector": "th, td", "props": "text-align: left"}])


# %% [markdown]
# ## How this works
#
# | you see | you do |
# |---|---|
# | a cell with code | press Shift + Enter; it runs, and its result appears below it |
# | `predict("…", 20.0)` | put **your** guess there *before* you run the next cell; nobody grades it |
# | `reveal(…)` | run it, and see your guess beside what was measured |
# | `...  # your code` | an exercise: write an answer and run the cell; it is checked at once |
# | `record(…)` | nothing: it notes a main result and, where a range is given, says whether it lies inside |
# | a slider | drag it, or click it and use the arrow keys |
# | a **Measure** button | runs the real thing in the background; **Stop** ends it and keeps what is there |
#
# Nothing here can block you. Where an exercise has no right answer yet, the notebook goes on with the
# reference and says so. If you are stuck, `macro_f1.hint()` helps, `macro_f1.hint(2)` helps more,
# `macro_f1.solution()` shows all.
#
# What takes long is computed once and kept in a cache on your disk. You can stop it at any time (the ■
# above): run the cell again, and it goes on where it was. Your answers and guesses are files of your own,
# in the folder `.labkit` of your home; `labkit progress` shows them. Nothing leaves this computer.

# %% [markdown]
# ## 1. This machine
#
# The article begins with a worry: large models press hard on hardware. Let us first see how hard, and on
# which hardware. A model's weights, the numbers that training has set, lie in memory, and to predict
# anything the processor has to read them. So one number matters more than it is famous: **how many
# gigabytes a second can this machine read from its memory?**

# %%
predict("start.read-bandwidth", 20.0, unit="GB/s")  # ← your guess, in place of the number

# %%
machine = probe()
reveal("start.read-bandwidth", machine.read_gb_s)
record("read-bandwidth", machine.read_gb_s, unit="GB/s", threads=machine.threads)
record("arithmetic", machine.gflop_s, unit="GFLOP/s", threads=machine.threads)

# %% [markdown]
# That is a measurement, not a data sheet: a large array was summed, and the clock was read. Here is the
# rest of the card. You will need two of its lines again and again: the bytes a second, and the operations
# a second. Some words on it: *fp32* and *bfloat16* are floats of 32 and of 16 bits, *int8* is a whole
# number of 8 bits; an *instruction set* is a group of commands with which the processor works on many
# numbers at once; a *token* is a word or a piece of a word, and a model reads a text as a row of tokens.

# %%
from labkit.machine import describe

Markdown("\n".join(f"- {line}" for line in describe(machine).splitlines()))

# %% [markdown]
# What do these two numbers mean for a model? Do it once on paper, with a machine that reads 40 GB/s and
# does 200 GFLOP/s. Take a model of 100 million weights. For one token, each weight is read once (4 bytes)
# and takes part in one multiplication and one addition (2 operations):
#
# | | how much | how fast | time |
# |---|---|---|---|
# | reading | 100 million × 4 bytes = 0.4 GB | 40 GB/s | 0.4 / 40 = 10 ms |
# | arithmetic | 100 million × 2 = 0.2 GFLOP | 200 GFLOP/s | 0.2 / 200 = 1 ms |
#
# The processor waits for the memory, nine tenths of the time. So on this imaginary machine it would help to
# have *fewer bytes*, and not to have a faster processor. That is half of this workbook in one table.

# %% [markdown]
# ## Tune it
#
# Now with the numbers of the machine in front of you. Move the slider from our small model, MiniLM, to
# GPT-3. Where does a model stop fitting into memory? Then choose fewer bytes a weight: which line moves,
# and which does not? **Measure** multiplies as many real weights with a vector and times it.

# %%
from labkit.widgets import machine_card

machine_card.panel()

# %%
from labkit.widgets.panel import static

static(machine_card.view, millions=100.0, bytes_a_weight=4.0)

# %% [markdown]
# A measured point usually lies near the line for reading or above it. A small model may lie below it:
# what fits into the processor's own cache need not come from memory a second time. Lesson 01 makes this
# exact.

# %% [markdown]
# ## 2. The task
#
# All lessons work on one task: a news headline comes in, one of five topics goes out.

# %%
task = load_task("bbc-headlines", fold=0)
rows = pd.DataFrame({"headline": task.texts("test"), "topic": [task.labels[i] for i in task.truth("test")]})
table(rows.groupby("topic").head(2).sort_values("topic"))

# %%
counts = dict.fromkeys(task.labels, 0)
for part in ("train", "validation", "test"):
    for label in task.truth(part):
        counts[task.labels[label]] += 1
words = ", ".join(f"{label} {count}" for label, count in counts.items())
show(plots.class_counts(list(counts), list(counts.values())), alt=f"Headlines in each class: {words}.")
print({part: len(task.texts(part)) for part in ("train", "validation", "test")}, "·", task.licence)

# %% [markdown]
# Why headlines, and not whole articles? Because whole articles are too easy: there, counting words comes so
# close to the best model that nothing is left to see. A headline has a handful of words, and many of them
# the training rows never showed.
#
# **Folds.** All rows are cut into five parts, always in the same way. A fold is one choice of the part
# that is kept for testing. One part is small, so a score on it swings by a point or two (a *point* is a
# hundredth) from luck alone. Where it matters, we train five times, test each part once, and put the
# predictions together.
#
# **Licence.** The texts are BBC news from 2004 and 2005, collected for study and research only (Greene and
# Cunningham 2006). Do not use them for anything else.

# %% [markdown]
# ### How good is a prediction? Macro-F1
#
# Suppose 100 headlines, of which 90 are about sports. A program that always says "sports" is right 90
# times, and it knows nothing. So we score each topic by itself, and then take the mean. For one topic count
# three things: *hits* (said so, and right), *false alarms* (said so, and wrong) and *misses* (not said, but
# should have been):
#
# $$F_1 = \frac{2 \cdot \text{hits}}{2 \cdot \text{hits} + \text{false alarms} + \text{misses}}$$
#
# Macro-F1 is the mean of the topics' F1.
#
# Four headlines, two topics, one mistake:
#
# | truth | A | A | B | B |
# |---|---|---|---|---|
# | prediction | A | B | B | B |
#
# Topic A: 1 hit, 0 false alarms, 1 miss, so F1 = 2/3. Topic B: 2 hits, 1 false alarm, 0 misses, so F1 = 4/5.
# Macro-F1 = (2/3 + 4/5) / 2 = 0.733, where the share of right answers is 0.75. What does "always sports" get?
#
# ### Exercise 0.1 · ●●○○ · 8 minutes
#
# Write `macro_f1(truth, predicted, classes)`. Labels are the numbers 0 to classes − 1. A class that is
# neither there nor predicted counts 0.


# %%
@exercise("start.macro_f1")
def macro_f1(truth, predicted, classes):
    ...  # your code; macro_f1.hint() if you are stuck


# %%
always_sports = macro_f1([1] * 90 + [0] * 10, [1] * 100, 2)
print(f"Always 'sports': right {0.9:.0%} of the time, macro-F1 {always_sports:.3f}")

# %% [markdown]
# ## 3. A first prediction
#
# How far does one come without any language model? Count words: TF-IDF turns a headline into numbers, one
# for each word and pair of words, larger for rarer ones, and a logistic regression learns their weights. It
# takes a second. **Which macro-F1 does it reach on headlines it has not seen?** Guessing blindly gives
# about 0.2.

# %%
predict("start.words-f1", 0.6, unit="macro-F1")  # ← your guess

# %%
from labkit.baselines import tfidf_baseline

truth = task.truth("test")
by_words = tfidf_baseline(task)
words_f1 = macro_f1(truth, by_words, len(task.labels))
reveal("start.words-f1", words_f1)

# %% [markdown]
# Here are some that it misses. Read each as a program that knows nothing but the training rows: which of
# these words can it have seen there, and with which topic?

# %%
missed = rows.assign(prediction=[task.labels[i] for i in by_words])
table(missed[missed.topic != missed.prediction].groupby("topic").head(1))

# %% [markdown]
# Now a real language model: MiniLM, with the architecture of BERT. It was trained before, on a great deal
# of text from the web, so it has met many words that our training rows never show. We put a new layer on
# top, with one output for each topic, and train all of it on our headlines: this is called *fine-tuning*.
# It takes about a minute on two cores, once; watch the loss fall. **Which macro-F1 does it reach?**

# %%
predict("start.model-f1", 0.8, unit="macro-F1")  # ← your guess

# %%
start = time.perf_counter()
teacher = fine_tune(task, seed=seed)
seconds = time.perf_counter() - start
by_model = predict_once(teacher, task.texts("test"))  # kept too
reveal("start.model-f1", macro_f1(truth, by_model, len(task.labels)))
print(f"{teacher.model.num_parameters():,} parameters, ready after {seconds:.0f} s, from now on at once.")

# %% [markdown]
# Is the difference real, or luck? Imagine that you had drawn other test headlines of the same kind. The
# *bootstrap* does so: it draws the test rows again with replacement, two thousand times, and looks where
# the middle 95 % of the scores lie. In the profile `full` all five folds are pooled, so that every headline
# is predicted once.

# %%
from labkit.folds import pool
from labkit.statistics import compare, f1_interval

if profile == "full":
    models = pool(lambda one: predict_once(fine_tune(one, seed=seed), one.texts("test")))
    truth, by_model, by_words = models.truth, models.predicted, pool(tfidf_baseline).predicted
names = ("counting words (TF-IDF)", "MiniLM, fine-tuned")
intervals = [f1_interval(truth, predicted) for predicted in (by_words, by_model)]
gain = compare(truth, by_words, by_model)
words = "; ".join(f"{name}: {interval}" for name, interval in zip(names, intervals, strict=True))
show(plots.scores(names, intervals), alt=f"Macro-F1 with its interval. {words}.")

# %%
print(f"On {len(truth)} headlines MiniLM gains {gain.points()} over counting words.")
record("words-f1", intervals[0].value, unit="macro-F1", expected=(0.76, 0.86), rows=len(truth))
record("model-f1", intervals[1].value, unit="macro-F1", expected=(0.87, 0.93), rows=len(truth), seed=seed)

# %% [markdown]
# If the gain's interval does not hold zero, the gain is more than the luck of these headlines. (The luck
# of the training is not in it: another seed gives another model.)
#
# The gain's interval compares both on the *same* headlines, row by row. On different headlines the luck
# of both would add up: intervals of $\pm a$ and $\pm b$ would make one of about $\pm\sqrt{a^2+b^2}$ for
# the difference. Take $a$ and $b$ from the picture and compare. Headlines that are hard for one are often
# hard for the other, and that share of the luck cancels.
#
# This classifier is your **teacher**. Every later lesson makes it smaller or faster, and asks what that
# costs.

# %% [markdown]
# ### How much slower? On a machine that does other things too
#
# Here are 32 headlines. We predict them all at once, as one batch, and then one at a time. The headlines
# are the same. **How many times slower is one at a time?**

# %%
predict("start.one-at-a-time", 1.5, unit="times")  # ← your guess

# %% [markdown]
# Times jump: something else runs, and this round takes twice as long. So we time both variants in turn,
# round by round, and both meet the same weather. What one number do you make of the pairs?
#
# ### Exercise 0.2 · ●○○○ · 5 minutes
#
# Write `slowdown(before, after)`: the median over the rounds of after/before.


# %%
@exercise("start.slowdown")
def slowdown(before, after):
    ...  # your code


# %%
headlines = task.texts("test")[:32]
batched, single = [], []
for _ in range(9):
    for times, batch_size in ((batched, 32), (single, 1)):
        start = time.perf_counter()
        teacher.predict(headlines, batch_size=batch_size)
        times.append(time.perf_counter() - start)
ratio = slowdown(batched, single)
reveal("start.one-at-a-time", ratio)
record("slowdown-one-at-a-time", ratio, unit="times", batch=32)

# %% [markdown]
# There are two reasons. One you have seen in section 1: one at a time, all weights are read for a few
# words, again and again; in a batch they are read once for many. The other is the calls: whatever a call
# costs beside reading and arithmetic, the tokenizer's start and Python's way through every layer, is paid
# 32 times and not once. This measurement cannot tell you the share of each; for a model as small as ours
# the calls can be the larger one. Lesson 01 measures the first reason alone.

# %% [markdown]
# ## The article says, we measured

# %%
from labkit.claims import verdicts

device = next(teacher.model.parameters()).device.type
verdicts({
    "C33": f"trained and tested on the {device.upper()} of this machine ({machine.label()}), without a GPU: "
    f"macro-F1 {intervals[1]}",
})  # fmt: skip

# %% [markdown]
# That is no proof that GPUs are useless: the weights of a model of GPT-3's size take 700 GB in fp32, and
# the widget says whether that fits here. It says that the *ideas* can be learned and measured on the
# machine that you have. Several workers come in a later lesson, as real processes on this same machine.

# %% [markdown]
# ## Recap
#
# - A model's bytes have to come from memory. For one token at a time, that is mostly what takes the time,
#   **if** the weights do not fit into the processor's cache.
# - Macro-F1 gives every class the same vote. A class that is never predicted pulls it down, as it should.
# - A score needs an interval, and a comparison needs the same rows for both.
# - Time variants in turn, and compare inside each round.
# - Pre-training can pay where a text is short and its words are new; the interval above says what it gains
#   here. And it costs: the model is far larger than the word counts.
#   The next lessons take that price apart.
#
# ## Further reading
#
# - J. Devlin, M.-W. Chang, K. Lee, K. Toutanova: *BERT: Pre-training of Deep Bidirectional Transformers for
#   Language Understanding*. NAACL 2019, [arXiv:1810.04805](https://arxiv.org/abs/1810.04805). The
#   architecture, and the habit of fine-tuning.
# - W. Wang et al.: *MiniLM: Deep Self-Attention Distillation for Task-Agnostic Compression of Pre-Trained
#   Transformers*. NeurIPS 2020, [arXiv:2002.10957](https://arxiv.org/abs/2002.10957). Where our model comes
#   from.
# - D. Greene, P. Cunningham: *Practical Solutions to the Problem of Diagonal Dominance in Kernel Document
#   Clustering*. ICML 2006. The paper that the BBC texts were collected for.
# - B. Efron: *Bootstrap Methods: Another Look at the Jackknife*. Annals of Statistics 7(1), 1979.
# - J. Opitz, S. Burst: *Macro F1 and Macro F1*. 2019, [arXiv:1911.03347](https://arxiv.org/abs/1911.03347).
#   Two formulas share the name; ours is the mean of the F1s.
