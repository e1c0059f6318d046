# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # BERT on several workers: what you gain, and what it costs
#
# | you need | minutes (quick · full) | difficulty | in the article |
# |---|---|---|---|
# | lessons 01 to 03, and 07 | 2 · 6 | ●●●○ | 3.2 step 3, 4.3 case 3, 5.1 to 5.4, 8.3 |
#
# The minutes are the machine's, the first time; later it remembers what it measured. Take two hours for yourself.

# %% [markdown]
# **Afterwards you can**
#
# 1. let workers find one another, and say why those in the article's listing never did (exercise 8.1);
# 2. share out rows, losses and scores so that several workers compute exactly what one would (exercises 8.2 to 8.4);
# 3. state a speedup honestly, and say where the rest of it went (exercise 8.5);
# 4. tell data parallel from a pipeline, and count what each worker must hold (exercise 8.6);
# 5. forecast what more workers, another link or a communication hook would bring (exercise 8.7, Tune it).

# %% tags=["parameters"]
batch: int = 32  # rows of a step, of all workers together, 3 or more
seed: int = 0  # order of the training rows
profile: str = "quick"  # quick: few rows and steps · full: all rows, five epochs on two workers

# %%
import numpy as np
import torch
import torch.distributed as dist

from labkit import exercise, fine_tune, load_task, predict, predict_once, probe, record, reveal, show
from labkit.cache import default_cache
from labkit.plots import ddp as plots
from labkit.plots.pruning import bars

task, cache = load_task("bbc-headlines", fold=0), default_cache()
teacher = fine_tune(task)
texts, truth, predicted = task.texts("test"), task.truth("test"), predict_once(teacher, task.texts("test"))
print(f"{len(task.texts('train'))} headlines to train on, {len(texts)} to test on. This machine: {probe().label()}.")

# %% [markdown]
# ## The listing starts nobody
#
# Two words first. A *process group* is the set of workers that talk to one another; in lesson 07 `launch` made it for
# you. A *backend* is the library that carries their messages.
#
# The article's third listing is to train BERT "in a distributed way". It makes a process group, wraps the model, and
# trains. Three places decide: `init_process_group(backend='nccl', init_method='env://')`, then `DataParallel(model)`,
# then the *loader* that hands out the batches. Of that it shows three dots, and nowhere a *sampler*, which would say
# which worker gets which rows. We try the first one, exactly as it stands, and once more with everything given that it
# asks for:

# %%
import warnings

given = {"as in the listing": {"init_method": "env://"},
         "with rank and size": {"store": dist.HashStore(), "rank": 0, "world_size": 1}}  # fmt: skip
for name, settings in given.items():
    try:
        with warnings.catch_warnings(action="ignore"):  # PyTorch says the same twice
            dist.init_process_group(backend="nccl", **settings)
        dist.destroy_process_group()
        print(f"{name}: it started, this machine has a GPU")
    except (ValueError, RuntimeError) as error:
        print(f"{name}: {type(error).__name__}: {str(error).splitlines()[0][:110]}")

# %% [markdown]
# `env://` means: *read the environment*. Somebody has to write it there first: for each worker its rank, how many there
# are, and where they meet. Started with plain `python`, the listing finds nothing. And the backend NCCL moves data
# between GPUs. Where there are none, one takes *gloo*, which needs none.
#
# Next, `DataParallel`. The article says that it splits the model over the GPUs. PyTorch's own words:

# %%
import inspect
import re

words = re.sub(r":\w+:`~?([\w.]+)`|\.\. \w+:: ", r"\1", " ".join(torch.nn.DataParallel.__doc__.split()))
for about in ("replicated", "recommended"):
    print("-", next(sentence for sentence in re.split(r"(?<=[a-z)])\. ", words) if about in sentence))
code = inspect.getsource(torch.nn.parallel.data_parallel)
mentions = len(re.findall(r"\bdist\.|torch\.distributed|process_group", code))
devices = torch.nn.DataParallel(teacher.model).device_ids
print(f"Mentions of a process group in its code: {mentions}. GPUs that it would use here: {len(devices)}.")

# %% [markdown]
# It *copies* the model to each GPU at every step, and splits the *batch*. It is one process with threads, so the group
# from the line before is never used. Without a GPU it just calls the model. And since nobody starts a second process,
# the listing trains in one process, whatever the machine has. And the *quantized* model, which the article would train
# in this way? Integers have no gradient that could be averaged:

# %%
try:
    refused = "nothing"
    torch.nn.Parameter(torch.zeros(2, dtype=torch.int8))
except RuntimeError as error:
    refused = str(error)
print(refused)

# %% [markdown]
# What does train on several workers is short. It takes two things from PyTorch: `torchrun`, a command that starts the
# processes and writes the environment of each, and `DistributedDataParallel`, *DDP* for short, which wraps a model and
# averages its gradients over the workers. This is the whole of it:
#
# ```python
# dist.init_process_group("gloo")                    # torchrun has filled in the environment
# model = DistributedDataParallel(model)             # the same weights for all to start with
# for batch in my_share_of(batches):                 # a sampler: every worker has rows of its own
#     loss(model(batch)).backward()                  # gradients are averaged while backward goes on
#     optimizer.step()                               # all make the same step
#     optimizer.zero_grad()
# ```
#
# started with `torchrun --standalone --nproc-per-node=2 script.py` (standalone: all of them on this machine). The art
# is not in these lines. It is in asking whether they compute the right thing, and whether it was worth it. That is the
# rest of this lesson.

# %% [markdown]
# ### Exercise 8.1 · ●●○○ · 8 minutes
#
# What does torchrun write into the environment? A *node* is one machine among several. Write `rendezvous(machine)`. It
# gets a dictionary: this worker's `node` and `local_rank` (its number on the node), the number of `nodes`, of `workers`
# and `gpus` on each node, the `addresses` of all nodes in order, and a free `port`. Return two things: the backend,
# `"nccl"` or `"gloo"`, and a dictionary of the five variables RANK, WORLD_SIZE (the workers of the whole group),
# LOCAL_RANK, MASTER_ADDR and MASTER_PORT (where all of them meet).


# %%
@exercise("ddp.rendezvous")
def rendezvous(machine):
    ...  # your code; rendezvous.hint() if you are stuck


# %%
here = {"nodes": 1, "node": 0, "workers": 2, "gpus": torch.cuda.device_count(), "addresses": ["127.0.0.1"], "port": 29500}
for local_rank in range(2):
    backend, environment = rendezvous(here | {"local_rank": local_rank})
    print(backend, *(f"{name}={value}" for name, value in environment.items()))

# %% [markdown]
# ## Who sees which row?
#
# Each worker must train on rows of its own, all rows must be seen, and the order must change from epoch to epoch. The
# trick is older than computers: shuffle one deck, with a seed that everybody knows, and deal.
#
# ### Exercise 8.2 · ●●○○ · 8 minutes
#
# Write `shard_rows(rows, rank, workers, epoch, seed)`: the row numbers of worker `rank` in this epoch, in the order in
# which it gets them. The deck is `np.random.default_rng([seed, epoch]).permutation(rows)`, and it is dealt as at a
# table: worker 0 gets the first card, the next worker the next one, and so on round the table.


# %%
@exercise("ddp.shard_rows")
def shard_rows(rows, rank, workers, epoch, seed):
    ...  # your code


# %%
from torch.utils.data import DistributedSampler

few, pair = 15, (0, 1)
samplers = [DistributedSampler(range(few), num_replicas=2, rank=rank, seed=seed) for rank in pair]
ways = {
    "One deck, dealt out": [shard_rows(few, rank, 2, 0, seed) for rank in pair],
    "No sampler (the listing)": [np.arange(few) for _ in pair],
    "PyTorch's DistributedSampler": [list(sampler) for sampler in samplers],
    "Each worker shuffles for itself": [np.random.default_rng(seed + rank).permutation(few)[rank::2] for rank in pair],
}
show(
    plots.rows_seen(ways, rows=few),
    alt="Which of 15 rows each of two workers sees. Dealt from one deck: each row once. Without a sampler: both see all "
    "rows. PyTorch's sampler repeats one row. With two shuffles some rows come twice and some never.",
)

# %% [markdown]
# PyTorch's sampler repeats a row because 15 does not divide by 2, and it wants all workers to make equally many steps.
# In training one row more does little harm. In a test it moves the score: we come back to it. (The sampler also keeps
# its order in every epoch, until somebody calls `set_epoch`. Nobody is told when that is forgotten.)
#
# ## Is it the same training?
#
# In lesson 02 you proved it on paper: the mean of the workers' gradients is the gradient of the whole batch, if each
# counts for its number of rows. In exercise 7.1 the contributions were added up. DDP adds them up too, and then divides
# by the number of workers: it takes the plain mean, and knows nothing of rows. With losses in the place of gradients:
#
# | | losses of its rows | its own mean | what it should hand in |
# |---|---|---|---|
# | worker 0 | 1 and 3 | 2 | 8/3 |
# | worker 1 | 5 | 5 | 10/3 |
# | plain mean of both | | 3.5, wrong | 3, the mean of 1, 3 and 5 |
#
# The last column is what you want: numbers whose *plain* mean is right. Where do they come from?
#
# ### Exercise 8.3 · ●●●○ · 10 minutes
#
# Write `local_loss(losses, global_rows, workers)`: from the losses of one worker's rows (perhaps none), the number that
# it should backpropagate. `global_rows` is the number of rows of all workers together.


# %%
@exercise("ddp.local_loss")
def local_loss(losses, global_rows, workers):
    ...  # your code


# %%
losses = np.random.default_rng(seed).exponential(size=10)
parts = [losses[:6], losses[6:9], losses[9:], losses[:0]]  # four workers, the last one without a row
plain = np.mean([part.mean() for part in parts[:3]])
handed_in = [local_loss(part, len(losses), len(parts)) for part in parts]
print(f"mean over rows {losses.mean():.6f}; plain mean of means {plain:.6f}; yours {np.mean(handed_in):.6f}")

# %% [markdown]
# Now the real thing: MiniLM with all its 22.7 million parameters, trained by one process, by two workers, by three (32
# rows do not divide by 3), by two that compute 8 rows at a time and exchange once a step, by two without a sampler, as
# in the listing, and by two that share out the *layers* (we come to that). Same start, same batches, AdamW, no dropout.
# (Each worker draws its own dropout. With it the runs would differ for that reason alone, and a difference would say
# nothing.) These are real processes, so this takes a while, the first time. **How many test headlines get another
# answer from the two workers' model than from that of one process?**

# %%
predict("ddp.changed-answers", 5, unit="headlines")  # ← your guess

# %%
from dataclasses import replace

from labkit.distributed.parity import Run, compare_runs
from labkit.training import Training

small = load_task("bbc-headlines", fold=0, limit=400 if profile == "quick" else None)
once = Training(epochs=1, batch_size=batch, learning_rate=5e-5)
runs = {
    "one process": Run(1, training=once),
    "two workers": Run(2, training=once),
    "three workers": Run(3, training=once),
    "two workers, 8 rows at a time": Run(2, training=replace(once, micro_batch=8)),
    "two workers, no sampler": Run(2, "nothing", training=once),
    "two stages": Run(2, "layers", training=once),
}

# %%
parity = compare_runs(small, runs, seed=seed, cache=cache)
reveal("ddp.changed-answers", parity["two workers"]["changed"])
print(f"{'after ' + str(parity['one process']['steps']) + ' steps':30} largest difference   macro-F1   other answers")
for name, found in parity.items():
    print(f"{name:30} {found['difference']:18.1e} {found['f1']:10.4f} {found['changed']:15}")
record("parity-two-workers", parity["two workers"]["difference"], expected=(0, 1e-5), batch=batch)
record("parity-three-workers", parity["three workers"]["difference"], expected=(0, 1e-5), batch=batch)
record("parity-changed-answers", max(found["changed"] for found in parity.values()), expected=(0, 0))

# %% [markdown]
# *Largest difference* is that of any weight from the one of one process. Inside the expected range, rounding is all
# that is left: sums in another order. So the F1 of a distributed run *is* the F1 of the same run in one process. A
# table that shows F1 "with distributed training", as the article's does, shows nothing about distribution.
#
# Look at the row without a sampler, the listing's way. It is not wrong. It is worse: it is *useless*. Every worker has
# computed all rows, and the mean of two equal gradients is the gradient. Nothing in the loss or the F1 gives it away.
# (Where each worker shuffles for itself, the gradients differ. Then a step is one of twice as many rows, and an epoch
# goes through the data twice: another training than you asked for, and no work saved.) Only the clock does:

# %%
alone = parity["one process"]["seconds_per_step"]
for name, found in list(parity.items())[:-1]:
    print(f"{name:30} {found['seconds_per_step']:.3f} s a step, {alone / found['seconds_per_step']:.2f} times as fast")
no_sampler = alone / parity["two workers, no sampler"]["seconds_per_step"]
record("speedup-no-sampler", no_sampler, unit="times as fast as one", expected=(0.3, 1.1))

# %% [markdown]
# (These times are taken in passing. We measure with care in a moment. Three workers on two cores have to take turns. Of
# the two stages we speak later.)
#
# And after a whole training, five epochs with dropout? Two workers draw other dropout than one process does, so their
# weights differ, as those of two seeds do. The full profile trains with two workers, and asks whether the F1 differs by
# more than luck. The quick profile only repeats two scores of the short runs above.

# %%
from labkit.distributed.jobs import distributed_fine_tune
from labkit.statistics import compare, macro_f1

exact = macro_f1(truth, predicted)
if profile == "full":
    _, facts = distributed_fine_tune(task, workers=2, seed=seed)
    difference = compare(truth, predicted, np.array(facts["predictions"]))
    evidence = f"macro-F1 of two workers {facts['f1']:.3f}, of one process {exact:.3f}; difference {difference.points()}"
    interval = (100 * difference.low, 100 * difference.high)
    record("f1-two-workers-difference", 100 * difference.value, unit="points", interval=interval)
else:
    f1s = [parity[name]["f1"] for name in ("one process", "two workers")]
    evidence = f"macro-F1 after the same few steps: one process {f1s[0]:.4f}, two workers {f1s[1]:.4f}"
print(evidence)

# %% [markdown]
# In the full profile this line ends with a difference and its interval. If that holds zero, these test rows cannot tell
# the two trainings apart.
#
# ## One score, not one a worker
#
# Each worker can also test on rows of its own. Then the parts have to become one number. The obvious way is to let
# each worker compute its macro-F1, and to average. On paper, with three classes, each F1 being 2 · hits over (times
# predicted + times true):
#
# | | truth | predicted | F1 of A, B, C | macro-F1 |
# |---|---|---|---|---|
# | worker 0 | A B | A A | 2/3, 0, – | 0.33 |
# | worker 1 | C C | C C | –, –, 1 | 1 |
# | mean of both | | | | 0.67, wrong |
# | all four rows | A B C C | A A C C | 2/3, 0, 1 | 0.56 |
#
# ### Exercise 8.4 · ●●○○ · 10 minutes
#
# Write `pooled_f1(parts, truth, classes)`: the macro-F1 of all rows. Each part is a pair of one worker's row numbers
# and its predictions, in the same order. `truth` has the true class of every row, and `classes` is how many classes
# there are. A sampler may have given a row to two workers.


# %%
@exercise("ddp.pooled_f1")
def pooled_f1(parts, truth, classes):
    ...  # your code


# %%
counts, classes = [1, 2, 4, 8, 16, 32, 64], len(task.labels)
errors = {"mean of the workers' F1s": [], "pooled, repeated rows twice": [], "pooled, each row once": []}
for workers in counts:
    rows = [list(DistributedSampler(truth, num_replicas=workers, rank=rank, seed=seed)) for rank in range(workers)]
    padded = np.concatenate(rows)
    scores = (
        np.mean([macro_f1(truth[part], predicted[part]) for part in rows]),
        macro_f1(truth[padded], predicted[padded]),
        pooled_f1([(np.array(part), predicted[part]) for part in rows], truth, classes),
    )
    for name, score in zip(errors, scores, strict=True):
        errors[name].append(100 * (score - exact))

# %%
show(
    plots.f1_errors(counts, {name: np.array(error) for name, error in errors.items()}),
    alt="Points off the exact macro-F1 against the number of workers. "
    + "; ".join(f"{name}: {error[1]:+.2f} with 2 workers, {error[-1]:+.2f} with 64" for name, error in errors.items()),
)
record("mean-of-f1s-off-by", errors["mean of the workers' F1s"][-1], unit="points with 64 workers")
record("padded-rows-off-by", max(map(abs, errors["pooled, repeated rows twice"])), unit="points at most")
record("pooled-off-by", max(map(abs, errors["pooled, each row once"])), unit="points", expected=(0, 1e-9))

# %% [markdown]
# One model, one set of predictions, three scores. The mean of F1s strays, and with many workers it can be far off: in a
# part of a few rows a class has one row, or none. Repeated rows move the score a little, up or down. Gathering rows and
# predictions costs a few bytes a row, and is exact.
#
# ## Fast, compared with what?
#
# Time. Two workers, one core each, with half of the rows each. **How many times as fast is a step, compared with one
# process on one core?**

# %%
predict("ddp.speedup", 2.0, unit="times as fast")  # ← your guess

# %%
from labkit import KeepLayers, MergeVocabulary, Policy
from labkit.distributed.scaling_demos import Variant, measured_steps

student = Policy([KeepLayers(3), MergeVocabulary(rows=8000)]).apply(teacher, task)
core, cores = Variant("alone", batch), Variant("alone", batch, threads=2)
both, apart, rows = Variant("together", batch), Variant("apart", batch), Variant("together", batch, share_rows=True)
fp16, low_rank = replace(both, hook="fp16"), replace(both, hook="powersgd")
memory = replace(rows, through="memory")
large, large_core, large_rows, large_memory = (replace(one, batch=4 * batch) for one in (both, core, rows, memory))

# %%
headlines, labels = task.texts("train")[: 8 * batch], task.truth("train")[: 8 * batch]
settings = {"rounds": 1 if profile == "quick" else 4, "cache": cache}
steps = measured_steps(teacher, headlines, labels, [core, cores, apart, both, rows, fp16, low_rank, large_core, large,
                       large_rows], name="teacher", **settings)  # fmt: skip
short = measured_steps(student, headlines, labels, [core, both, rows, memory, large_core, large_rows, large_memory],
                       name="student", **settings)  # fmt: skip
reveal("ddp.speedup", steps[core].seconds / steps[both].seconds)

# %% [markdown]
# (When you run this again, you see what this machine answered the first time. If other programs were busy then, put
# `None` in place of the last `cache` in the line of `settings`, once.) The times:

# %%
named = {"one process, 1 thread": core, "one process, 2 threads": cores, "2 workers that never talk": apart,
         "2 workers, data parallel": both}  # fmt: skip
times = {name: 1000 * steps[variant].seconds for name, variant in named.items()}
chart = bars(times, title=f"One step of {batch} rows, MiniLM", xlabel="milliseconds (median)", form="{:.0f}")
show(chart, alt="Milliseconds a step: " + "; ".join(f"{name} {time:.0f}" for name, time in times.items()))
record("seconds-one-core", steps[core].seconds, unit="s a step", batch=batch)
record("seconds-two-workers", steps[both].seconds, unit="s a step", batch=batch)
record("speedup-two-workers", steps[core].seconds / steps[both].seconds, unit="times", batch=batch, expected=(0.8, 2.0))

# %% [markdown]
# Two things to see.
#
# **The honest rival.** Two cores can also work for *one* process, with two threads: the second bar. torchrun sets one
# thread a worker, and one process "as it comes" takes all the cores it finds, unless somebody has set that to one as
# well. So whoever compares the two compares two cores with two, or two with one, and seldom knows which. Say it:
# against one core, and against the same cores used otherwise.
#
# **The loss.** Two workers that never exchange anything show what is lost without any exchange. Each has half of the
# rows, but makes the *whole* optimizer step. And they share one machine. What is lost beyond that is the exchange.
# Count it: each of the parameters has a gradient of 4 bytes, and with two workers each one sends as many bytes as the
# gradient has (lesson 07).

# %%
print(f"gradient: {teacher.model.num_parameters():,} × 4 bytes; a worker handed over {steps[both].bytes / 1e6:.1f} MB a step")
lost = 1000 * (steps[both].seconds - steps[apart].seconds)
print(f"ideal {times['one process, 1 thread'] / 2:.0f} ms; a whole optimizer step each, on one machine, costs "
      f"{times['2 workers that never talk'] - times['one process, 1 thread'] / 2:+.0f} ms, exchanging {lost:+.0f} ms")
record("exchange-seconds", lost / 1000, unit="s a step", batch=batch)

# %% [markdown]
# ### Exercise 8.5 · ●○○○ · 6 minutes
#
# Efficiency is a share: what all workers do in a second, over what they would do if every core were worth as much as
# the one that works alone. 1 is perfect. Write `efficiency(alone, together, cores)`. `alone` (one core) and `together`
# (all workers, one core each) are pairs: rows of a step, seconds of a step. Mind that the two may have different rows.


# %%
@exercise("ddp.efficiency")
def efficiency(alone, together, cores):
    ...  # your code


# %%
def share(found, one, several):
    return efficiency((one.batch, found[one].seconds), (several.batch, found[several].seconds), 2)


print(f"teacher, {batch} rows a step: {share(steps, core, both):.0%}; against two threads: "
      f"{2 * share(steps, cores, both):.0%} of their speed")
print(f"teacher, {4 * batch} rows a step: {share(steps, large_core, large):.0%}")
record("efficiency-teacher", share(steps, core, both), batch=batch, expected=(0.4, 1.0))
record("efficiency-teacher-large-batch", share(steps, large_core, large), batch=4 * batch, expected=(0.5, 1.1))

# %% [markdown]
# More rows between two exchanges: then one exchange and one optimizer step serve more rows. That is the first remedy.
# Where memory is short, such a step can be computed in parts, whose gradients are added up before the one exchange
# (*accumulation*, the row "8 rows at a time" above). Both have a price that no clock shows: fewer steps an epoch. The
# learning rate usually has to grow with the batch (for SGD in proportion, Goyal et al. 2017), and at some size even
# that does not help.
#
# ## Fewer bytes
#
# The second remedy is to send less. Look at the largest matrix: the word embedding, half of the model. **Which share of
# its rows has a gradient that is not zero, after a batch of headlines?**

# %%
predict("ddp.rows-touched", 10.0, unit="% of the rows")  # ← your guess

# %%
from labkit.batches import Batches, encode
from labkit.training import cross_entropy

probe_model = teacher.copy().model.train()
batches = Batches(encode(teacher.tokenizer, headlines), batch_size=batch, seed=seed, labels=labels)
first = next(iter(batches.epoch(0)))
cross_entropy(probe_model(input_ids=first["input_ids"], attention_mask=first["attention_mask"]).logits, first).backward()
table = probe_model.base_model.get_input_embeddings().weight
touched = int((table.grad != 0).any(dim=1).sum())
reveal("ddp.rows-touched", 100 * touched / len(table))
print(f"{touched} of {len(table):,} rows: {4 * touched * table.shape[1] / 1e6:.2f} MB that say something, of {table.nbytes / 1e6:.0f} MB")
record("rows-touched", touched / len(table), unit="of the embedding's rows", expected=(0.0, 0.05), batch=batch)

# %% [markdown]
# A row gets a gradient only if its token is in the batch. Sending the touched rows, and which ones they are, and
# nothing of the others gives the *same* gradient: the runs that shared out rows above did so, and ended at the same
# weights, to rounding. Other ways give something up. A *hook* is a function that DDP calls with each bucket of
# gradients (those that travel together, lesson 07) and that sends them its own way:
#
# - **fp16**: two bytes a number instead of four;
# - **PowerSGD** (Vogels et al. 2019): a matrix is sent as a product of two thin ones, and what that leaves out is added
#   to the next step's gradient.
#
# Workers on *one* machine can leave the network out. There is one copy of the weights, in memory that all of them see,
# and each worker *moves* only its share of them: it adds up the others' gradients of that share, which it reads where
# they wrote them. Nothing is sent, no sum is made twice, and the optimizer's work is shared out, too. That gives
# nothing up either (through memory, in the pictures).
#
# And there is the way of this whole workbook: a *smaller model* has fewer gradients. The student has 3 of the 6 layers
# and 8,000 of the 30,522 embedding rows. (It has not been trained after the cut. Here we only time its steps.)
#
# Now all of them, in two pictures: what each worker hands over, and the efficiency. In the second, each bar is against
# *the same model, with as many rows a step, on one core*, and the line at 100 % is two such cores. "Touched rows" are
# rows of the embedding; a number of rows is the batch, where it is not that of the parameters.

# %%
found = {
    "teacher": (steps, core, both), "teacher, touched rows only": (steps, core, rows),
    "teacher, fp16": (steps, core, fp16), "teacher, PowerSGD": (steps, core, low_rank),
    f"teacher, touched rows, {4 * batch} rows": (steps, large_core, large_rows),
    "student": (short, core, both), "student, touched rows only": (short, core, rows),
    "student, the same through memory": (short, core, memory),
    f"student, touched rows, {4 * batch} rows": (short, large_core, large_rows),
    f"student, through memory, {4 * batch} rows": (short, large_core, large_memory),
}  # fmt: skip
sent = {name: of[variant].bytes / 1e6 for name, (of, _, variant) in found.items()}
gained = {name: 100 * share(of, one, several) for name, (of, one, several) in found.items()}
show(bars(sent, title="What each worker hands over", xlabel="MB a step"),
     alt="Megabytes a step: " + "; ".join(f"{name} {size:.1f}" for name, size in sent.items()))  # fmt: skip

# %%
show(bars(gained, title="Two workers against one core", xlabel="efficiency (%)", form="{:.0f}", mark=100),
     alt="Efficiency of two workers in per cent: " + "; ".join(f"{name} {e:.0f}" for name, e in gained.items()))  # fmt: skip
for name in ("teacher, fp16", "teacher, PowerSGD", "student, touched rows only", "student, the same through memory"):
    record(f"efficiency, {name}", gained[name] / 100, batch=batch)
faster = steps[both].seconds / short[rows].seconds
record("student-over-teacher-speed", faster, unit="times as fast a step, two workers", expected=(1.2, 5.0), batch=batch)
record("bytes-student-over-teacher", sent["student, touched rows only"] / sent["teacher"], expected=(0.05, 0.4))

# %% [markdown]
# Compare the two pictures. PowerSGD hands very little to the network. If its bar in the second picture is shorter than
# the plain teacher's all the same, then to compress takes longer here than to send: this machine's "network" is its
# own memory. A hook pays where the *link* is the limit; we shall compute where that begins. The smaller model needs
# less of everything: fewer bytes, less to compute, less to update.
#
# ## Split the model instead?
#
# The article says that Horovod splits BERT into parts and puts each on a GPU. Horovod does not. Like DDP it is *data
# parallel*: every worker holds the whole model, and a ring all-reduce averages the gradients (Sergeev and Del Balso
# 2018). Splitting the model is another thing, called model or *pipeline* parallel: worker 0 computes the first layers
# and hands the activations on, worker 1 the rest, and gradients come back the same way. Gradients of weights need not
# travel at all. While one worker waits for the other it does nothing, so the batch is cut into small pieces that follow
# each other (Huang et al. 2019, GPipe). Why would anyone? Because of memory.
#
# ### Exercise 8.6 · ●●○○ · 8 minutes
#
# Write `worker_bytes(parts, cuts, way)`. `parts` are the numbers of parameters of the model's parts, in order. `way`
# is `"data"` or `"pipeline"`. The pipeline is cut before each part that `cuts` names, counted from 0; one cut makes
# two workers, and `"data"` has as many. Return the bytes of each worker, to train with Adam in float32, without
# activations.


# %%
@exercise("ddp.worker_bytes")
def worker_bytes(parts, cuts, way):
    ...  # your code


# %%
from labkit.counting import parameters

body = teacher.model.base_model
pieces = [body.embeddings, *body.encoder.layer, torch.nn.ModuleList([body.pooler, teacher.model.classifier])]
counted = {way: worker_bytes([parameters(piece) for piece in pieces], [4], way) for way in ("data", "pipeline")}
held = {"one process": parity["one process"]["held"], "data parallel": parity["two workers"]["held"],
        "pipeline": parity["two stages"]["held"]}  # fmt: skip
for way, name in (("data", "data parallel"), ("pipeline", "pipeline")):
    off = max(abs(a / b - 1) for a, b in zip(held[name], counted[way], strict=True))
    print(f"{name}: measured {[round(b / 1e6) for b in held[name]]} MB, at most {off:.1%} from your count")

# %%
show(
    plots.memory(held),
    alt="Megabytes for weights, gradients and moments: "
    + "; ".join(f"{name} {', '.join(f'{size / 1e6:.0f}' for size in sizes)}" for name, sizes in held.items()),
)
record("data-parallel-holds", max(held["data parallel"]) / held["one process"][0], unit="of one process", expected=(0.99, 1.01))
record("pipeline-holds", max(held["pipeline"]) / held["one process"][0], unit="of one process", expected=(0.5, 0.9))
record("parity-two-stages", parity["two stages"]["difference"], expected=(0, 1e-5))
sent_mb = {name: parity[name]["sent"] / 1e6 for name in ("two workers", "two stages")}
print(f"leaves worker 0 in a step: {sent_mb['two workers']:.1f} MB of gradients, {sent_mb['two stages']:.1f} MB of activations")
print(f"peak of each worker, Python and torch included (MB): {[round(peak / 1e6) for peak in parity['two stages']['peak']]}"
      f" in the pipeline, {[round(peak / 1e6) for peak in parity['two workers']['peak']]} data parallel")

# %% [markdown]
# Data parallel: each worker holds as much as one process would. More workers make room for more rows, never for more
# parameters. A pipeline does: each stage holds its own part only (the word embedding makes the first one heavy). What
# travels depends on the rows, their length and the width of a layer, not on the number of parameters. It computes the
# same, to rounding. And a model that does fit is almost always trained data parallel, because there nobody waits for
# another's activations.
#
# ## Over several nodes
#
# Nothing in the loop changes. torchrun is started once on *every* node, and the nodes meet at one address, that of the
# first one (10.0.0.1 is an example; c10d is the name of PyTorch's own meeting place). On one node we can try it, with
# the same module and few rows:

# %%
from labkit.distributed import nodes

print("On each of two nodes:\n ", nodes.command(nodes=2, workers=2, out="trained", checkpoint="training.pt"))
line = nodes.command(workers=2, out="trained", epochs=1, limit=200)
print("On this one:\n ", line)
result = nodes.run_here(line, cache=cache)
print(f"{result['workers']} workers, {result['steps']} steps, the same weights on both: {result['same_weights']}")
record("torchrun-workers", result["workers"], expected=(2, 2))

# %% [markdown]
# `--max-restarts` is what a cluster needs: when a worker dies, torchrun ends the others and starts all of them again,
# and with `--checkpoint` they go on from what worker 0 wrote last. Who writes no checkpoint starts from zero.
#
# ## What would a cluster bring?
#
# You have two cores. To say what sixteen machines would do, you need a *model* of a step: few numbers, fitted to
# measurements, and checked on measurements that it has not seen. Ours, with $K$ workers, $B$ rows a step and $G$ bytes
# that each worker hands over:
#
# $$\text{step} = \underbrace{c\,\Big(s + r\,\frac{B}{K}\Big)}_{\text{own work}}
# + \underbrace{2\,\frac{K-1}{K}\,G\,h}_{\text{handling bytes}} + \text{hook} + \max\Big(0,\;
# \underbrace{2\,\frac{K-1}{K}\,\frac{G}{\text{bandwidth}}}_{\text{the link}} - \text{what hides behind own work}\Big)$$
#
# $r$ is the time of a row, $s$ what a step costs whatever its rows (the optimizer above all), $c$ how much longer own
# work takes while others work on the same machine (*crowding*; 1 is not at all), $h$ the time to copy and add a byte
# (*handling*). *Hook* is the time that it takes to compress. And a link can be busy while backward still computes: that
# part *hides*. A toy case for paper: $r$ = 10 ms, $s$ = 40 ms, $c$ = 1, $h$ = 0, nothing hides, 32 rows: one worker
# takes 360 ms. Two take 200 ms, and a gradient of 100 MB over 1 Gbit/s (125 MB/s) adds 800 ms. The second worker has
# made it nearly three times *slower*.
#
# Our measurements were taken without a slow link, so they cannot tell how much hides. The fit takes it for nothing. On
# a real link it may be some, so what follows is on the careful side there.

# %%
from labkit.distributed.scaling import fit_scaling, mbit

used = [core, large_core, apart, both, fp16, low_rank]
scaling = fit_scaling([steps[variant] for variant in used])
print(f"row {1000 * scaling.row_seconds:.2f} ms, step {1000 * scaling.step_seconds:.1f} ms, crowding {scaling.crowding:.2f}, "
      f"handling {1e9 * scaling.byte_seconds:.2f} ns a byte, "
      + ", ".join(f"{hook} {1000 * seconds:.0f} ms" for hook, seconds in scaling.hooks.items()))  # fmt: skip
kept_back = {"large batch": large, "touched rows": rows, "large batch, touched rows": large_rows}
points = [(variant.way, steps[variant].seconds, scaling.of(steps[variant]), True) for variant in used]
points += [(name, steps[one].seconds, scaling.of(steps[one]), False) for name, one in kept_back.items()]

# %%
forecast = {name: scaling.error(steps[one]) for name, one in kept_back.items()}
show(
    plots.model_against_measured(points),
    alt="Seconds a step by the model against measured ones, close to the diagonal. Not used for the fit: "
    + ", ".join(f"{name} {error:+.0%}" for name, error in forecast.items()),
)
for name, error in forecast.items():
    record(f"forecast, {name}", error, unit="off", expected=(-0.2, 0.2))

# %% [markdown]
# Six numbers can go through six points, so that the circles lie on the line is no merit. The diamonds had no part in
# the fit. Only such points say whether a model may be trusted a little beyond them: if they lie in the band, by 20 %
# or so; if they do not, not even that. And no point had a slow link, or a third worker. There the model is a
# calculation.
#
# ### Exercise 8.7 · ●●○○ · 8 minutes
#
# And now the hooks. A hook costs some time in each step, and saves bytes. Write `break_even(plain_bytes, hook_bytes,
# hook_seconds, workers)`: the bandwidth of each worker's link, in bytes a second, below which it makes a step faster.
# The bytes are $G$ without and with the hook, and they travel in a ring. `hook_seconds` is all that the hook costs, and
# nothing hides.
#
# (In the cell below it, what a hook saves in handling is first taken off what it costs.)


# %%
@exercise("ddp.break_even")
def break_even(plain_bytes, hook_bytes, hook_seconds, workers):
    ...  # your code


# %%
for name, variant in (("fp16", fp16), ("powersgd", low_rank)):
    cost = scaling.hooks[name] - scaling.byte_seconds * (steps[both].bytes - steps[variant].bytes)
    if cost <= 0:
        print(f"{name}: it saves more handling than it costs, so it pays on any link")
        continue
    limit = 8 * break_even(steps[both].bytes, steps[variant].bytes, cost, 2) / 1e6
    print(f"{name}: costs {1000 * cost:.0f} ms a step more than it saves here, so it pays on links below {limit:,.0f} Mbit/s")
    record(f"break-even, {name}", limit, unit="Mbit/s", workers=2)

# %% [markdown]
# So the picture of the hooks was a picture of *this machine's* network. On links below the rates above the same hooks
# win, by the model. `labkit bench distributed` puts slow links between two workers and measures it (it needs Linux and
# the right to make network namespaces).
#
# And more workers? Four links, each worker with a machine of its own. The diamond is what two workers did here, with as
# many rows a step, but on one machine and without a link.

# %%
rates = {"100 Mbit/s": 100, "1 Gbit/s": 1000, "10 Gbit/s": 10_000, "100 Gbit/s": 100_000}
setting = {"batch": 4 * batch, "bytes": steps[both].bytes, "crowded": False}
counts = [k for k in (1, 2, 4, 8, 16, 32, 64) if k <= setting["batch"]]
curves = {name: [(k, scaling.speedup(k, bandwidth=mbit(rate), **setting)) for k in counts]
          for name, rate in rates.items()}  # fmt: skip
here = (2, steps[large_core].seconds / steps[large].seconds)
show(
    plots.scaling_curves(curves, batch=4 * batch, measured=[here]),
    alt="Speedup against workers for four links. "
    + "; ".join(f"{name}: {one[-1][1]:.2g} times as fast with {one[-1][0]} workers" for name, one in curves.items()),
)
most = min(16, counts[-1])  # a worker without a row is none
for gbit in (1, 100):
    value = dict(curves[f"{gbit} Gbit/s"])[most]
    record(f"speedup-{most}-workers-{gbit}-gbit", value, unit="times, calculated", batch=4 * batch)

# %% [markdown]
# Take it for what it is. It assumes equal workers, nobody late, a ring whose links are all free at once, rows that cost
# the same in any batch, a machine like yours for each worker, and a processor that copies and adds every byte itself.
# Even on the fastest link the curve bends, because two things do not shrink with the rows of a worker: the whole
# optimizer step, which each of them makes, and the bytes that each of them handles ($2(K-1)/K$ times $G$, so they even
# grow). The numbers of the fit above say which is the larger one here. What is not shared out sets the limit: that is
# Amdahl's law. ZeRO shares out the optimizer's state, to save memory, and its work with it, as your two workers did
# through memory (Rajbhandari et al. 2020).
#
# ## Tune it
#
# The model fitted to *your* measurements. Workers, bandwidth, size, rows and hook. **Measure** trains a small model of
# about the size that you set, held to what two cores do in seconds, alone and by two real workers, and adds the point.
# (The two workers talk through this machine, whatever link you have set.)
#
# Three things to find out: From which bandwidth on, if from any, are two workers faster than one, at 32 rows a step?
# How many rows must a step have before 16 workers on 1 Gbit/s are faster than one? Which hook wins with two workers at
# 100 Mbit/s, and what is the step made of then?

# %%
from labkit.widgets import ddp as widget
from labkit.widgets.panel import static

measured_points = [steps[variant] for variant in used]
basis = widget.Basis.of(measured_points, millions=teacher.model.num_parameters() / 1e6)
panel = widget.panel(basis, batch=batch if batch in widget.BATCHES else 32)
panel

# %% [markdown]
# The same at its first setting, for readers of a page without a kernel. Dashed is the ideal; the blue line ends where
# some workers would get no row.

# %%
static(widget.view, basis=basis, workers=2, rate=1000, millions=basis.millions, batch=batch, hook="none")

# %% [markdown]
# ## The article says, we measured

# %%
from labkit.claims import verdicts

gap = parity["two workers"]["difference"]
verdicts({
    "C22": f"data parallel, as Horovod is: {max(held['data parallel']) / 1e6:.0f} MB in each worker, as in one process; "
    f"a pipeline: {', '.join(f'{size / 1e6:.0f}' for size in held['pipeline'])} MB",
    "C25": f"no rank, no NCCL without a GPU, no group in DataParallel; without a sampler two workers are "
    f"{no_sampler:.2f} times as fast as one process",
    "C27": f"integers as parameters: “{refused[:60]}…”; what trains must be floats, also when it is quantized in the forward "
    "pass",
    "C28": f"{mentions} mentions of a group in its code; its own page says that the module is replicated",
    "C31": f"{gap:.0e} between one process and two workers, {parity['two workers']['changed']} other answers; {evidence}",
    "C33": f"all of this ran on {probe().cores} CPU cores with gloo, {torch.cuda.device_count()} GPUs",
    "C44": "ten lines and torchrun; exercises 8.2 to 8.4 are the skill",
})  # fmt: skip

# %% [markdown]
# ## Recap
#
# - Workers need a rank, a size, an address and a port each, and a backend that their machine has. torchrun hands them
#   out.
# - Data parallel: each worker the whole model, its own rows, the mean of the gradients. It equals one process to
#   rounding, if rows are dealt out once and losses are scaled so that a plain mean is right. Without a sampler
#   nobody's work gets less, and nothing but the clock tells.
# - Scores: gather rows and predictions, take each row once, score once.
# - A speedup needs a rival: say which cores, which threads, which batch. The exchange costs bytes over bandwidth, so
#   larger batches, touched rows only, a hook on a slow link, and above all a smaller model make it cheaper.
# - A model that does not fit is not helped by data parallel. That is what splitting the model is for.
# - A scaling model is as good as the points that it has not seen.
#
# ## Further reading
#
# - Li et al.: *PyTorch Distributed: Experiences on Accelerating Data Parallel Training*, VLDB 2020,
#   [arXiv 2006.15704](https://arxiv.org/abs/2006.15704). Buckets, overlap, and what it takes to get near-linear speed.
# - Sergeev, Del Balso: *Horovod: fast and easy distributed deep learning in TensorFlow*, 2018,
#   [arXiv 1802.05799](https://arxiv.org/abs/1802.05799).
# - Goyal et al.: *Accurate, Large Minibatch SGD*, 2017, [arXiv 1706.02677](https://arxiv.org/abs/1706.02677).
# - Vogels, Karimireddy, Jaggi: *PowerSGD*, NeurIPS 2019, [arXiv 1905.13727](https://arxiv.org/abs/1905.13727).
# - Huang et al.: *GPipe: Efficient Training of Giant Neural Networks using Pipeline Parallelism*, NeurIPS 2019,
#   [arXiv 1811.06965](https://arxiv.org/abs/1811.06965).
# - Rajbhandari et al.: *ZeRO: Memory Optimizations Toward Training Trillion Parameter Models*, SC 2020,
#   [arXiv 1910.02054](https://arxiv.org/abs/1910.02054).
