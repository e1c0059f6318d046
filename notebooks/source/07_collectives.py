# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Collectives: many workers, one gradient
#
# | you need | minutes (quick · full) | difficulty | in the article |
# |---|---|---|---|
# | lesson 02 | ½ · 1 | ●●○○ | 3.2 step 3, 4.2, 9 Q3 |
#
# The minutes are the machine's. Take an hour and a half for yourself. No GPU and no second machine: the workers are
# processes on this one.

# %% [markdown]
# **Afterwards you can**
#
# 1. say what synchronization means, measure that it is missing, and repair the article's update on real workers
#    (exercise 7.1);
# 2. tell broadcast, reduce, all-reduce, reduce-scatter and all-gather apart, and build an all-reduce as a server, a
#    tree and a ring (exercises 7.2 and 7.3);
# 3. count the bytes that each worker sends, and say from the count which way is faster, when, and why (exercises 7.4
#    and 7.5);
# 4. tell an aggregation from an optimizer, and find a sum where a mean belongs, also where Adam hides it (exercise
#    7.6).

# %% tags=["parameters"]
workers: int = 4  # processes that work together, 2 to 8
rows: int = 240  # headlines that they share, 16 to 1466
link: float = 1000.0  # speed of each worker's link in the race, Mbit/s
seed: int = 0  # which headlines, and random vectors
profile: str = "quick"  # quick | full

# %%
import numpy as np
import pandas as pd

from labkit import exercise, predict, record, reveal, show, theory
from labkit.distributed import demos, launch, schedules
from labkit.plots import collectives as plots
from labkit.widgets.theory import headline_features

features, labels = headline_features(rows, seed=seed)
cuts = np.cumsum(theory.shard_sizes(rows, workers=workers))[:-1]
shards = list(zip(np.split(features, cuts), np.split(labels, cuts), strict=True))
print(f"{rows} headlines, 16 numbers each, dealt to {workers} workers: {[len(part) for _, part in shards]} rows")

# %% [markdown]
# ## Real workers
#
# In lesson 02 the workers were rows of an array. Now each is a process of its own: it has its own memory, it sees its
# own headlines, and the only way to know anything about the others is a message. `launch` starts them, lets each call
# the same function, and brings back what each returned. A worker has a number, its *rank*, and asks for it:

# %%
print("I am worker", *launch(demos.ranks, workers))

# %% [markdown]
# The function has to stand in a file. A worker is another process: it can import a module, but it cannot look into
# your notebook. (Try `launch(lambda: 1, 2)`: the refusal says so.)
#
# ## What happens if nobody exchanges anything?
#
# Everyone starts from the same parameters, all zero, and trains the small softmax layer of lesson 02 on their own
# headlines for 20 steps, at the learning rate of that lesson, 4. The article says that distributed training needs
# *synchronization and gradient aggregation*: workers that keep in step, and gradients that are put together. We leave
# both out. First, for the scale, one process that has all the headlines:

# %%
steps, start = 20, np.zeros((features.shape[1], 5))
theta = start
for _ in range(steps):
    theta = theta - 4.0 * theory.softmax_gradient(theta, features, labels)  # one process, all rows
print(f"One process: after {steps} steps its {theta.size} parameters lie between {theta.min():.2f} and {theta.max():.2f}")

# %% [markdown]
# **How far apart are the workers after 20 steps?** Take the largest difference, in any parameter, between any two of
# them.

# %%
predict("collectives.apart-after-20-steps", 0.1, unit="largest difference")  # ← your guess

# %%
from labkit.distributed.together import Run, train

runs = [Run(aggregation) for aggregation in theory.UPDATES]  # the right one, two readings of the article, nothing at all
workers_did = launch(train, workers, start, shards, runs, steps=steps)
paths = {
    run.aggregation: np.stack([did[number][0] for did in workers_did], axis=1) for number, run in enumerate(runs)
}
apart = {name: [theory.spread(nodes) for nodes in path] for name, path in paths.items()}
reveal("collectives.apart-after-20-steps", apart["each node alone"][-1])
record("apart-when-alone", apart["each node alone"][-1], unit="largest difference", workers=workers)

# %%
from labkit.plots.theory import training_curves

losses = {name: [theory.mean_node_loss(nodes, features, labels) for nodes in path] for name, path in paths.items()}
ends = "; ".join(f"{name} {values[-1]:.2f}" for name, values in losses.items())
show(
    training_curves(losses, apart),
    alt=f"{workers} real workers, 20 steps. Left, the loss on all rows, at the end: {ends}. Right, the largest gap "
    f"between two workers: it climbs to {apart['each node alone'][-1]:.2f} for workers alone, and stays zero else.",
)

# %% [markdown]
# You know this picture from lesson 02, where other numbers of workers gave other heights. There it was arithmetic;
# here processes did it. Each worker alone learns its own few headlines by heart, and its loss on everyone's headlines
# rises again. *Synchronized* means: **after each step all workers hold the same parameters.** It takes two things.
# They start from the same point, and they make the same step.
#
# The right picture says no more than that. Three of the four ways are synchronized, and only one of the three makes
# the right step. The left picture need not tell which: with the article's formula and shard sums, the step is $K$
# times as long as it should be, and on so small a layer that can end at a loss as low as the right one's. (With 8
# workers, as in lesson 02, it was too long.) So we look at the parameters themselves.
#
# The step that they should make is that of one process with all rows. In lesson 02 you repaired the article's
# formula:
#
# $$\theta \leftarrow \theta - \eta\,\frac1K\sum_{k=1}^{K} g_k(\theta), \qquad g_k = \text{mean gradient over shard }k.$$
#
# ($K$ is the number of workers, $N$ that of all rows, $\eta$ the learning rate. The article divides the sum by $N/K$,
# and it binds the index $i$ twice.) Is the repaired step, made by real workers, the step of one process? Here is how
# far each of the four is from it after 20 steps, in the parameter that is furthest off; for the workers alone, in the
# worst worker:

# %%
off = {name: float(np.abs(path[-1] - theta).max()) for name, path in paths.items()}
for name, gap in off.items():
    record(f"off-by: {name}", gap, expected=(0, 1e-6) if name == "averaged" else None, workers=workers, rows=rows)
record("apart-when-averaged", apart["averaged"][-1], expected=(0, 0))
assert off["averaged"] < 1e-6, "the repaired update must stay with one process"

# %% [markdown]
# The averaged workers are at the same place as one process, to the last few bits. They need not be there *exactly*:
# they add the rows up in another order. But among themselves they agree to the very last bit, because each of them
# received the same sum. The article's two readings are somewhere else, however low their loss was.
#
# What adds the gradients up is called an **all-reduce**: everyone hands in an array, and everyone gets the sum of all
# arrays back. How it does so is the matter of the next sections. An all-reduce knows nothing of rows. It only adds up
# what it is given.
#
# Now let the shards be unequal: an eighth of the rows, a third, and the rest. Then a worker with few rows must count
# less. For this one check three shards are enough, and the cell below adds their parts up itself.
#
# ### Exercise 7.1 · ●○○○ · 5 minutes
#
# Write `contribution(gradient, mine, rows)`: what a worker with the mean gradient of `mine` of all `rows` rows puts
# into the sum, so that the sum is the mean gradient over all rows. (`gradient` is an array of any shape.)


# %%
@exercise("collectives.contribution")
def contribution(gradient, mine, rows):
    ...  # your code; contribution.hint() if you are stuck


# %%
sizes = (rows - rows // 3 - rows // 8, rows // 3, rows // 8)
uneven = np.split(features, np.cumsum(sizes)[:-1]), np.split(labels, np.cumsum(sizes)[:-1])
gradients = [theory.softmax_gradient(start, *shard) for shard in zip(*uneven, strict=True)]
whole = theory.softmax_gradient(start, features, labels)
summed = sum(np.asarray(contribution(g, size, rows)) for g, size in zip(gradients, sizes, strict=True))
record("uneven-shards-off-by", float(np.abs(summed - whole).max()), expected=(0, 1e-12), sizes=list(sizes))
record("plain-mean-off-by", float(np.abs(np.mean(gradients, axis=0) - whole).max()), sizes=list(sizes))

# %% [markdown]
# ## Five words
#
# All that workers do together is made of a few patterns, the *collectives*. Take four workers. Worker 0 has the
# vector (1, 2, 3, 4), worker 1 has (10, 20, 30, 40), and so on. They do each collective with these, and then once
# more with vectors of about a megabyte, for later.

# %%
vectors = np.array([[10.0**rank * number for number in range(1, workers + 1)] for rank in range(workers)])
random = np.random.default_rng(seed)
noise = random.normal(size=(workers, 250_003)).astype(np.float32)  # a length that four does not divide
did = launch(demos.every_collective, workers, [vectors, noise])

# %% [markdown]
# What does each hold afterwards? The first two workers:


# %%
def words(held):
    return "nothing" if held is None else " ".join(f"{number:.0f}" for number in held)


pd.DataFrame(
    {f"worker {rank}": {name: words(held) for name, (held, *_) in did[rank][0].items()} for rank in (0, 1)}
)

# %% [markdown]
# Read the rows of the table:
#
# - **broadcast**: everyone gets what worker 0 has. So training begins: with the same parameters.
# - **reduce**: worker 0 gets the sum of all. The others get nothing.
# - **reduce-scatter**: the sum is cut into chunks, and each worker gets one of them.
# - **all-gather**: each gives a part, everyone gets all parts, one after the other. (Here each gives its whole
#   vector, so the result is long.) Nothing is added.
# - **all-reduce**: everyone gets the whole sum. Training needs this one, once a step.
#
# Two of them make a third: reduce, then broadcast, is an all-reduce. So is reduce-scatter, then all-gather. Remember
# that; the rest of the lesson comes from it.
#
# The last row is PyTorch's own `torch.distributed.all_reduce`. It is our *oracle*: the answer that others are
# compared with. The three ways above it are written by hand, with nothing but sends and receives
# (`labkit/distributed/collectives.py`). You will meet them in the next section. Do all four agree on the long
# vectors, whose numbers are not so round? And does every worker hold the same sum, to the last bit?

# %%
oracle = did[0][1]["PyTorch"][0]
for how in schedules.WAYS:
    totals = [long[f"all-reduce, {how}"][0] for _, long in did]
    gap = max(float(np.abs(total - oracle).max()) for total in totals)
    same = all(np.array_equal(total, totals[0]) for total in totals)
    record(f"off-pytorch-by: {how}", gap, expected=(0, 1e-5), same_on_all_workers=same)
    print(f"{how}: all workers hold {'the same bits' if same else 'different bits'}")

# %% [markdown]
# Between two ways the last bits of a 32-bit number may differ: each adds in another order, and rounding depends on
# the order. Within one way they must not, or the workers would drift apart.
#
# ## Three ways to the same sum
#
# A *round* is a set of messages that travel at the same time. What comes in may travel on in the next round.
#
# **A server.** Everyone sends their vector to worker 0. It adds up and sends the sum back to each. Two rounds, easy
# to write. (A *parameter server* works like this too, but it keeps the parameters and makes the step itself.)
#
# **A tree.** Take four workers. Worker 1 sends to 0, and *at the same time* worker 3 to 2. Then 2 sends to 0, and 0
# has the sum. Back down the same way, in two more rounds.
#
# **A ring.** Nobody sends everything. The vector is cut into as many chunks as there are workers. Worker $r$ sends to
# its right neighbour only, which is worker $r+1$, and the last worker's right neighbour is worker 0. All send at the
# same time. In each round, each sends *one chunk*:
#
# - *First half, reduce-scatter.* A worker sends a chunk; its neighbour adds it to its own, and passes that chunk on
#   in the next round. The sender keeps what it had. A chunk that has visited everyone is complete. We number the
#   chunks so that worker $r$ ends with chunk $r$.
# - *Second half, all-gather.* The complete chunks go around once more, and this time they are copied.
#
# Here it is, round by round. A row is a worker, a column a chunk. Each worker has a colour, and a stripe of that
# colour in a cell says that its numbers are in the sum. A black frame means that the chunk is complete. Each picture
# shows what everyone holds *before* the round, and its arrows are the messages of the round: an arrow carries the
# chunk to the left of it.

# %%
few = min(workers, 4)
rounds = schedules.all_reduce(few, how="ring")
tables = [schedules.held(rounds[:done], few) for done in range(len(rounds) + 1)]
show(
    plots.states(tables, rounds),
    alt=f"A ring of {few} workers in {len(rounds)} rounds. In the first half each chunk collects one colour more in each "
    "round, until on the diagonal worker r holds chunk r complete. In the second half the complete chunks are copied "
    "one worker further in each round, until all cells are complete.",
)

# %% [markdown]
# Follow chunk 0 with a finger. It starts at worker 1, and in the last round of the first half it comes home to worker
# 0, which holds it complete in the next picture.
#
# ### Exercise 7.2 · ●●●○ · 10 minutes
#
# Write the timetable: `ring_chunk(rank, step, workers)` is the chunk that worker `rank` sends in `step`. A step is
# one round, and steps count from 0: step 0 is round 1 of the pictures, and with $K$ workers the last one is step
# $2(K-1)-1$.


# %%
@exercise("collectives.ring_chunk")
def ring_chunk(rank, step, workers):
    ...  # your code


# %% [markdown]
# Your timetable runs now, on real workers: in each step every worker sends the chunk that you say.

# %%
timetable = [[int(ring_chunk(rank, step, workers)) for rank in range(workers)] for step in range(2 * (workers - 1))]
by_table = launch(demos.ring_by_table, workers, noise, timetable)
gap = max(float(np.abs(total - oracle).max()) for total, _ in by_table)
record("your-ring-off-pytorch-by", gap, expected=(0, 1e-5))

# %% [markdown]
# ### Exercise 7.3 · ●●●○ · 15 minutes
#
# Now the first half, on numbers, with the timetable of 7.2. `vectors` has one row a worker and one number a chunk.
# Write `after_steps(vectors, steps)`: what all workers hold, as a table of the same shape, after so many steps of the
# reduce-scatter. Mind that all messages of a step leave at the same time.


# %%
@exercise("collectives.after_steps")
def after_steps(vectors, steps):
    ...  # your code


# %%
pd.DataFrame(
    np.asarray(after_steps(vectors, workers - 1)),
    index=[f"worker {rank}" for rank in range(workers)],
    columns=[f"chunk {chunk}" for chunk in range(workers)],
)

# %% [markdown]
# The diagonal is complete: compare it with the row *reduce-scatter* of the table above. What stands beside it is half
# done, and the second half writes over it.
#
# ## Bytes on the wire
#
# Why so complicated? Because of bytes. The long vectors have 1 MB, as much as a gradient of 250,000 parameters. **How
# many MB does each worker send in a ring of four, until everyone has the sum?** Count in the strip above, or guess.
# (If you have changed `workers`, guess for that number.)

# %%
predict("collectives.ring-sends", 3.0, unit="MB")  # ← your guess

# %%
counted = {how: [long[f"all-reduce, {how}"][1] for _, long in did] for how in schedules.WAYS}
size = noise[0].nbytes
reveal("collectives.ring-sends", max(counted["ring"]) / 1e6)
for how, sent in counted.items():
    assert sent == schedules.bytes_on_the_wire(size, workers, how), "the formula must be what was counted"
    record(f"busiest-sends: {how}", max(sent) / size, unit="vectors", workers=workers)
pd.DataFrame(counted, index=[f"worker {rank}" for rank in range(workers)])

# %% [markdown]
# These are counted bytes: each `send` adds up what it hands to the network. Look at the columns. They have the *same
# sum*. All three ways move the same bytes; they differ in *who* moves them. The server's column is lopsided, and the
# ring's is flat, but for chunks that differ by a number where the vector cannot be cut evenly.
#
# For $K$ workers and a vector of $S$ bytes, a chunk has $S/K$. The server sends the sum to each of the $K-1$ others.
# In a ring each worker sends one chunk in each of $2(K-1)$ rounds:
#
# $$\text{server sends } (K-1)\,S, \qquad \text{each worker of a ring sends } \frac{2(K-1)}{K}\,S \;<\; 2S .$$
#
# ### Exercise 7.4 · ●●○○ · 8 minutes
#
# Write `busiest_bytes(size, workers, way)`: the bytes that the busiest worker *sends*, for the ways `"server"` and
# `"ring"`; what it receives is not counted. `size` is in bytes.


# %%
@exercise("collectives.busiest_bytes")
def busiest_bytes(size, workers, way):
    ...  # your code


# %%
many = [2, 4, 8, 16, 32, 64]
lines = {way: [float(busiest_bytes(1.0, k, way)) for k in many] for way in ("server", "ring")}
lines["tree"] = [max(schedules.bytes_on_the_wire(4, k, "tree")) / 4 for k in many]
marks = [(how, workers, max(sent) / size) for how, sent in counted.items()]
show(
    plots.busiest(many, {how: lines[how] for how in schedules.WAYS}, measured=marks),
    alt="Vectors sent by the busiest worker against the number of workers, both doubling. The server's line climbs in "
    "proportion to the workers, the tree's with their logarithm, the ring's stays below two. What was counted on real "
    f"workers lies on the lines: {', '.join(f'{how} {vectors:.2f}' for how, _, vectors in marks)}.",
)

# %% [markdown]
# A ring of a thousand workers sends hardly more from each of them than a ring of ten: 1.998 vectors, and 1.8. No
# all-reduce among the workers themselves can do with less than $2(K-1)/K$ for its busiest worker (Patarasuk and Yuan
# 2009).
#
# The article's Q3 recommends *AllReduce* or *Ring-AllReduce* to keep the nodes equal. It is right, but it names them
# as if they were two things. A ring *is* an all-reduce. The one is what is computed, the other is who sends what to
# whom.
#
# ## Which one is faster?
#
# Bytes take time where the link is the limit. A *link* is what ties a worker to the network, and it carries both
# directions at once. Between two processes of one machine there is none: the system copies a message from one memory
# to the other. So we measure both. First as it is, then with links: every worker gets one of `link` Mbit/s, and its
# messages leave, and arrive, no faster than that. (Our sends wait as long as such a link would take. PyTorch's own
# all-reduce cannot be slowed down in this way, and is in the first measurement only. Lesson 08 names a command that
# measures links which the operating system limits.) A time ends when the last worker has the sum, and
# is the median of several for all but the largest vectors.
#
# **With 4 MB a worker and links of 1 Gbit/s: how many times as long as the ring does the server take?**

# %%
predict("collectives.server-against-ring", 2.0, unit="times the ring's time")  # ← your guess

# %%
from labkit.cache import default_cache
from labkit.distributed.clock import all_reduce_times

rate, cache = link * 1e6 / 8, default_cache()  # a byte has 8 bits
megabytes = [0.001, 0.01, 0.1, 1.0, 4.0] if profile == "quick" else [0.001, 0.01, 0.1, 1.0, 4.0, 16.0, 32.0]
ways = [*schedules.WAYS, "PyTorch"]
free = all_reduce_times(workers, megabytes, ways=ways, repeats=11, cache=cache)
linked = all_reduce_times(workers, megabytes, rate=rate, repeats=11, cache=cache)
ratio = {size: server / ring for (size, server), (_, ring) in zip(linked["server"], linked["ring"], strict=True)}
reveal("collectives.server-against-ring", ratio[4.0])
usual = (0.6 * workers, 1.3 * workers) if link <= 1000 else None  # on a fast link something else is the limit
record("server-against-ring", ratio[4.0], unit="times the ring's time", expected=usual, workers=workers, link=link)

# %%
names = {"from memory to memory": free, f"links of {link:,.0f} Mbit/s": linked}
show(
    plots.seconds(names),
    alt="Time of an all-reduce against the size of the vector, both axes logarithmic. "
    + " ".join(
        f"{title}: " + ", ".join(f"{way} {points[0][1]:.1f} ms at 1 kB and {points[-1][1]:.0f} ms at "
                                 f"{points[-1][0]:.0f} MB" for way, points in times.items()) + "."
        for title, times in names.items()
    ),
)  # fmt: skip

# %% [markdown]
# Look at the right ends of the right picture. The server's *one* link has to carry $K-1$ vectors in and, when it has
# them all, $K-1$ vectors out, while the links of the others are idle most of the time. In the ring all links are busy
# all the time, in both directions at once: while a chunk goes out, another comes in. So each link is busy for
# $2(K-1)/K$ vectors, and the server's for $2(K-1)$. (The figure before this one counted only what is *sent*, which is
# half of what the server's link has to carry.) On paper: at 1 Gbit/s, 4 MB take 32 ms. With four workers the server's
# link needs 3 + 3 of these, 192 ms. The ring needs 6 chunks of 8 ms, 48 ms. In general:
#
# $$\frac{\text{server}}{\text{ring}} = \frac{2(K-1)\,S}{2(K-1)\,S/K} = K .$$
#
# With $K$ workers the server takes about $K$ times as long, wherever the link is the limit. The more workers, the
# worse: its link is the bottleneck. (A server that returns the first chunks while the last ones still come in would
# need half the time, no less.) In the left picture there is no link to be crowded, and the lines should lie closer
# together: the same few cores have to copy the same bytes, whoever sends them.
#
# Now look at the left ends. For a small vector the link is no limit. What counts is the *number of rounds*: each one
# costs a message's delay, however small the message. A server has 2 rounds, a ring $2(K-1)$, so with more than two
# workers the ring should be the slower of the two there. Do not ask more of these points. A few milliseconds are
# mostly the time until the system lets the next process run, and if there are fewer cores than workers, that jumps
# from one measurement to the next. How many rounds has a tree?
#
# ### Exercise 7.5 · ●●○○ · 6 minutes
#
# Write `tree_rounds(workers)`: the rounds of an all-reduce along a tree, up and down.


# %%
@exercise("collectives.tree_rounds")
def tree_rounds(workers):
    ...  # your code


# %%
for k in (2, 4, 8, 64, 1024):
    print(f"{k:5} workers: server     2 rounds, tree {tree_rounds(k):3} rounds, ring {2 * (k - 1):5} rounds")

# %% [markdown]
# Why not take the server then, with its 2 rounds? In one of its rounds a single worker has to deal with $K-1$
# messages, one after the other. With four workers that hardly matters. With a thousand it does, even if the messages
# are short. In a round of a tree nobody deals with more than one message.
#
# So small vectors travel along trees and large ones around rings. Libraries choose by size, and they put small
# gradients together into *buckets* before they send them: one long message has fewer rounds than many short ones.
# (Buckets come again in lesson 08.) A server has its use, too: where workers come and go, or where each touches only
# a few rows of a huge table.
#
# ## Optimizers are not aggregation
#
# The article's Q3 goes on: one could use *gradient aggregation techniques such as FTRL and Adam*. (FTRL, "follow the
# regularized leader", is made for huge models with rare inputs.) These are **optimizers**:
#
# | | question | answers |
# |---|---|---|
# | aggregation | how do $K$ gradients become one? | all-reduce, parameter server |
# | optimizer | how does a gradient become a step? | SGD, momentum, Adam, FTRL |
#
# Adam on one worker aggregates nothing: there is nothing to aggregate. And Adam on four workers that do not talk
# leaves you with four models. For later, the steps that three optimizers make of a gradient $g$ at the rate $\eta$:
#
# | optimizer | what it remembers | its step |
# |---|---|---|
# | SGD | nothing | $\theta - \eta\,g$ |
# | momentum | $v \leftarrow 0.9\,v + g$ | $\theta - \eta\,v$ |
# | Adam | $m$, a running mean of $g$, and $s$, one of $g^2$ | $\theta - \eta\,m/(\sqrt{s}+\varepsilon)$ |
#
# ($\varepsilon$ is tiny, $10^{-8}$. It keeps the division from failing where all gradients were zero.) Aggregation
# and optimizer meet in one place: the one hands $g$ to the other. There is a trap.
#
# An all-reduce gives a *sum*. Say somebody forgets to divide by $K$. On paper, with one parameter, the loss
# $\tfrac12\theta^2$, the gradient $\theta$, a rate of 0.8 and four workers that all have the same gradient:
#
# | | step | each step multiplies θ by |
# |---|---|---|
# | mean | $\theta - 0.8\,\theta$ | 0.2 |
# | sum | $\theta - 0.8 \cdot 4\,\theta$ | −2.2 |
#
# With the mean, θ shrinks to a fifth in each step. With the sum it more than doubles, and changes sides. (What would
# two workers do?) What would Adam do? We try it on the headlines, with the squared error in the place of the
# cross-entropy: its gradient grows with the distance, as on paper. (The features were scaled so that every direction
# is equally steep.)

# %%
choices = {"mean": "averaged", "sum": "summed"}
rates = {"sgd": 0.8, "adam": 0.05}
runs = [Run(choice, optimizer, rate, loss="squared") for optimizer, rate in rates.items() for choice in choices.values()]
did = launch(train, workers, start, shards, [*runs, Run("summed", learning_rate=8.0), Run(learning_rate=8.0)], steps=steps)

# %%
from labkit.distributed.together import squared_loss

curves = [[squared_loss(theta, features, labels) for theta in path] for path, _ in did[0][: len(runs)]]
panels = {
    f"SGD, rate {rates['sgd']}": dict(zip(choices, curves[:2], strict=True)),
    f"Adam, rate {rates['adam']}": dict(zip(choices, curves[2:], strict=True)),
}
show(
    plots.losses(panels),
    alt=f"Loss over {steps} steps. SGD: with the mean it falls to {curves[0][-1]:.2f} at once; with the sum it leaves the "
    f"picture and reaches {curves[1][-1]:.1e}. Adam: both lines lie on each other and end at {curves[3][-1]:.2f}.",
)
record("sgd-mean-loss", curves[0][-1], expected=(0.2, 0.4))
record("sgd-sum-loss", curves[1][-1], expected=(10, 1e60) if workers > 2 else None, workers=workers)
record("adam-sum-against-mean", float(np.abs(did[0][3][0] - did[0][2][0]).max()), expected=(0, 1e-3))

# %% [markdown]
# With more than two workers, SGD says at once that something is wrong. Adam does not: it divides a mean of gradients
# by the root of a mean of their squares, and a factor that all of them share cancels, but for the ε. The mistake is
# there all the same. It comes out when somebody changes the optimizer, cuts gradients off at a length (*clipping*),
# or lets the optimizer add a multiple of the weights to the summed gradient (*weight decay* as PyTorch's `Adam` does
# it): then a number that was tuned on one worker is off by a factor of $K$ on many.
#
# One more thing to know: the softmax layer does not run away like this. Its gradient cannot grow beyond a limit, so a
# step that is too long makes it, at worst, jump back and forth at a higher loss. That is harder to notice:

# %%
bounce, calm = ([theory.softmax_loss(theta, features, labels) for theta in path] for path, _ in did[0][len(runs) :])
print("softmax, rate 8, the sum: ", *(f"{loss:.2f}" for loss in bounce[-6:]), " (the last six steps)")
print("softmax, rate 8, the mean:", *(f"{loss:.2f}" for loss in calm[-6:]))

# %% [markdown]
# ### Exercise 7.6 · ●●○○ · 8 minutes
#
# A program adds up and does not divide, and you may only change the learning rate. Write `rate_for_sum(rate, workers,
# optimizer)`: which rate makes the same steps from the sum as `rate` makes from the mean? The optimizers are `"sgd"`,
# `"momentum"` and `"adam"`.


# %%
@exercise("collectives.rate_for_sum")
def rate_for_sum(rate, workers, optimizer):
    ...  # your code


# %% [markdown]
# ## Why processes? Threads are cheaper
#
# Threads live in one process and see the same memory: no launch, no messages. So why not threads? We let two of them
# do the same work at the same time, and compare with two processes. 1.0 is the time to do both one after the other,
# and 0.5 is perfect, if your machine has two cores. (A little less than 0.5 is an accident of measuring.) One kind of
# work is a loop in Python, the other is matrix products.

# %%
from labkit.distributed import gil

raced = gil.race(amount=40 if profile == "quick" else 120)
starting = raced.pop("starting")
shares = {kind: {way: seconds / times["in turn"] for way, seconds in times.items()} for kind, times in raced.items()}
spoken = "; ".join(f"{kind}, {way} {share:.2f}" for kind, times in shares.items() for way, share in times.items())
show(plots.work_and_time(shares), alt=f"Time for twice the same work, one after the other being 1: {spoken}.")
for kind, times in shares.items():
    for way in ("two threads", "two processes"):
        record(f"{kind}, {way}", times[way], unit="of the time in turn")
print(f"This Python has {'a' if gil.gil_is_on() else 'no'} global lock. Starting two processes took {starting:.1f} s.")

# %% [markdown]
# If the line above says that your Python has a global lock, it lets one thread at a time run Python code: that is its
# *global interpreter lock*. Two threads with a Python loop then take turns, and save nothing. Matrix products let go
# of the lock while they compute, so there threads should help about as much as processes do. A training step is both:
# long products, and between them the Python of the model, the tokenizer and the optimizer. And threads end where the
# machine ends. A process on another machine is used like one on this machine; a thread there does not exist. So
# training in parallel means processes. (There are Pythons without the lock, and with those two threads should do the
# loop in half the time.)
#
# ## Tune it
#
# The all-reduce step by step. Move *Rounds that are over* with the arrow keys, and read in words who sends what.
# **Measure** starts that many real workers and lets them do the chosen all-reduce on vectors of the chosen size (of
# 10 MB, where you have chosen more), from memory to memory; the point is added on the right. The lines there are the
# times that the left picture above had, for the number of workers in the parameters.
#
# Three things to find out: With 8 workers, how many rounds until somebody holds a complete chunk in a ring, and until
# somebody holds the complete vector in a tree? Which workers of a tree send most? For which sizes is the server the
# fastest on *this* machine, and does it stay so when you measure again?

# %%
from labkit.widgets import collectives as widget
from labkit.widgets.panel import static

known = {way: free[way] for way in schedules.WAYS}
widget.panel(known, workers=workers)

# %% [markdown]
# One of its states, for readers of a page without a kernel:

# %%
static(widget.view, workers=4, how="ring", step=4, megabytes=1.0, times=known)

# %% [markdown]
# ## The article says, we measured

# %%
from labkit.claims import verdicts

verdicts({
    "C09": f"without it {workers} workers are {apart['each node alone'][-1]:.2f} apart after {steps} steps; with it, "
    f"{apart['averaged'][-1]:g}",
    "C19": f"{workers} real workers with the repaired update are {off['averaged']:.0e} from one process after {steps} "
    f"steps; with the article's, {off['article, shard means']:.2f} (means) or {off['article, shard sums']:.2f} (sums)",
    "C49": f"{workers} workers that average around a ring are {apart['averaged'][-1]:g} apart; a ring is an all-reduce "
    f"that sends {max(counted['ring']) / size:.2f} vectors from each worker, and 2(K−1)/K is "
    f"{2 * (workers - 1) / workers:.2f}; a server sends {max(counted['server']) / size:.0f}",
    "C50": f"Adam and SGD step; they add up nothing. With a sum for the mean, SGD's loss is {curves[1][-1]:.0e} after "
    f"{steps} steps, Adam's {curves[3][-1]:.2f}, as if nothing had happened",
})  # fmt: skip

# %% [markdown]
# ## Recap
#
# - Synchronized means equal parameters after each step: the same start, and the same step. The step is the *mean*
#   over all rows; on uneven shards each worker weighs by its rows.
# - An all-reduce is a reduce and a broadcast, or a reduce-scatter and an all-gather. Server, tree and ring compute
#   the same sum and move the same bytes in all.
# - They differ in who sends. A server's link carries $K-1$ vectors each way; in a ring each sends $2(K-1)/K$, never
#   more than two. For large vectors and many workers that decides. For small ones the number of rounds does.
# - An optimizer makes a step from a gradient; it aggregates nothing. With Adam the loss does not show a forgotten
#   division, so check the gradient itself against one process.
#
# What it costs: an all-reduce in every step, with one number for each parameter that is trained. How much of a step
# that is, and how compression makes it smaller, is the question of [the next lesson](08_bert_ddp.ipynb).
#
# ## Further reading
#
# - P. Patarasuk, X. Yuan: *Bandwidth optimal all-reduce algorithms for clusters of workstations*. Journal of Parallel
#   and Distributed Computing 69(2), 2009, [doi
#   10.1016/j.jpdc.2008.09.002](https://doi.org/10.1016/j.jpdc.2008.09.002). The ring, and why no way beats it.
# - R. Thakur, R. Rabenseifner, W. Gropp: *Optimization of Collective Communication Operations in MPICH*.
#   International Journal of High Performance Computing Applications 19(1), 2005, [doi
#   10.1177/1094342005051521](https://doi.org/10.1177/1094342005051521). Which way for which size.
# - M. Li et al.: *Scaling Distributed Machine Learning with the Parameter Server*. OSDI 2014,
#   [usenix.org](https://www.usenix.org/conference/osdi14/technical-sessions/presentation/li_mu). Many servers, each
#   with a part of the parameters.
# - A. Sergeev, M. Del Balso: *Horovod: fast and easy distributed deep learning in TensorFlow*. 2018, [arXiv
#   1802.05799](https://arxiv.org/abs/1802.05799). Rings come to deep learning.
# - D. Kingma, J. Ba: *Adam: A Method for Stochastic Optimization*. ICLR 2015, [arXiv
#   1412.6980](https://arxiv.org/abs/1412.6980).
# - H. B. McMahan et al.: *Ad Click Prediction: a View from the Trenches*. KDD 2013, [doi
#   10.1145/2487575.2488200](https://doi.org/10.1145/2487575.2488200). FTRL, an optimizer for sparse models.
