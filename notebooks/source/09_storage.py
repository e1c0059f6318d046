# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Storage: from zeros to bytes
#
# | you need | minutes (quick · full) | difficulty | in the article |
# |---|---|---|---|
# | lessons 03 and 05 | 1 · 1 | ●●○○ | 3.2 step 4 |
#
# The minutes are the machine's. Take an hour and a half for yourself.

# %% [markdown]
# **Afterwards you can**
#
# 1. write a sparse matrix down in three formats, and say from which sparsity on each of them pays (exercise 9.1);
# 2. compute how small a file can get before you make it, from the counts of its symbols alone (exercise 9.2);
# 3. explain how a coder spends a fraction of a bit, and decode a message by hand (exercise 9.3);
# 4. say when splitting a matrix into two thin factors saves anything, and what it costs in F1 (exercise 9.4);
# 5. account for every byte of a packed model, the tokenizer's included (exercise 9.5).

# %% tags=["parameters"]
sparsity: float = 0.7  # share of encoder weights at zero, 0 to 1
bits: int = 4  # bits of a weight that is not zero, 2 to 8
rank: int = 128  # numbers in the middle of a factorized word embedding, 1 to 191
rows: int = 8000  # rows that stay when the vocabulary is merged
seed: int = 0  # which weights make up the message in one number
profile: str = "quick"  # quick: few ranks, few files · full: many

# %%
import numpy as np

from labkit import MergeVocabulary, Policy, PruneMagnitude, Quantize
from labkit import exercise, fine_tune, load_task, pack, predict, predict_once, record, reveal, show
from labkit.measure import file_size
from labkit.plots import storage as plots

task = load_task("bbc-headlines", fold=0)
teacher = fine_tune(task)
texts, truth = task.texts("test"), task.truth("test")
plain = file_size(teacher.model) / 1e6
print(f"The teacher's weights in a plain file: {plain:.1f} MB; with {bits} bits for each, {plain * bits / 32:.1f} MB.")

# %% [markdown]
# ## Zeros and small numbers. How many bytes?
#
# In lesson 03 you set weights to zero, in lesson 05 you rounded the others to small whole numbers. Neither of the two
# is a file. *Somebody has to write them down.* This lesson is about how.
#
# We take the teacher, set a share of its encoder's weights to zero, and round the matrices of the embeddings and of the
# encoder to a few bits with one scale a row. Pooler, head, biases and LayerNorm stay floats. **How large is the packed
# file?** Above you see what the weights take in a plain file, and what they would take if each of them had just as many
# bits as most are rounded to.

# %%
predict("storage.packed-file", 11.4, unit="MB")  # ← your guess

# %%
steps = [PruneMagnitude(sparsity=sparsity), Quantize(bits=bits, group="row")]
packed = Policy(steps).packed(teacher, task)
small = pack.load(packed)
reveal("storage.packed-file", packed.stat().st_size / 1e6)
record("packed-file", packed.stat().st_size / 1e6, unit="MB", sparsity=sparsity, bits=bits)

# %% [markdown]
# There is no trick in it: the file holds the same whole numbers, bit for bit. Where did the rest go?
#
# ## Writing down where the others are
#
# Begin with a matrix for paper. Three of its twelve numbers are not zero, and a number takes 4 bits:
#
# $$\begin{pmatrix} 0 & 3 & 0 & 0\\ 0 & 0 & 0 & 0\\ 5 & 0 & 0 & -2 \end{pmatrix}$$
#
# | format | what is written | bits |
# |---|---|---|
# | dense | all twelve numbers | 12 · 4 = 48 |
# | coordinates | row, column and value of each: (0, 1, 3) (2, 0, 5) (2, 3, −2) | 3 · (2 + 2 + 4) = 24 |
# | CSR | values 3 5 −2; their columns 1 0 3; where each row starts among them 0 1 1 3 | 12 + 6 + 4 · 2 = 26 |
# | bitmap | 0100 0000 1001, then the values 3 5 −2 | 12 + 12 = 24 |
#
# CSR, *compressed sparse rows*, is what libraries for sparse matrices use. It names the row of a value by *place*: all
# of row 2 stands between the last two starts. That is made for computing, not for storing: a reader finds any row at
# once.
#
# ### Exercise 9.1 · ●●○○ · 10 minutes
#
# Write `to_csr(matrix)`. It gives the three lists of the table: values, columns, starts.


# %%
@exercise("storage.to_csr")
def to_csr(matrix):
    ...  # your code; to_csr.hint() if you are stuck


# %%
values, columns, starts = to_csr([[0, 3, 0, 0], [0, 0, 0, 0], [5, 0, 0, -2]])
print("values", list(values), "columns", list(columns), "starts", list(starts))

# %% [markdown]
# Now a matrix of the real model: the one that goes up in the first feed-forward part. Its numbers are whole and small,
# so one byte each is plenty. What do the formats take, as libraries write them?

# %%
import warnings

import torch

warnings.filterwarnings("ignore", message="Sparse CSR")  # PyTorch calls the format a beta

# %%
name = "bert.encoder.layer.0.intermediate.dense.weight"
matrix = small.encodings[name].integers.numpy()
csr = torch.from_numpy(matrix).to_sparse_csr()
zeros = float((matrix == 0).mean())
taken = {
    "dense, a byte each": matrix.nbytes,
    "CSR of PyTorch": csr.values().nbytes + csr.col_indices().nbytes + csr.crow_indices().nbytes,
    "CSR, 16-bit columns": csr.values().nbytes + 2 * csr.col_indices().numel() + 4 * (len(matrix) + 1),
    "bitmap, a byte each": np.packbits(matrix != 0).nbytes + np.count_nonzero(matrix),
    f"bitmap, {bits} bits each": np.packbits(matrix != 0).nbytes + np.count_nonzero(matrix) * bits / 8,
}

# %%
for form, size in taken.items():
    print(f"{form:22} {8 * size / matrix.size:6.2f} bits a weight")
record("zeros-in-the-matrix", zeros, unit="of the weights", sparsity=sparsity, bits=bits)

# %% [markdown]
# Read the first two lines again. PyTorch writes every column as a 64-bit number, so its sparse format is *larger* than
# the dense one although most numbers are zero.
#
# When does each format pay? That depends on how large a value is. The smaller the value, the dearer its position. (The
# dotted line is a bitmap whose pattern is coded too. How, and what *entropy* means, comes next.)

# %%
from labkit.coding import sparse_bits

shares = np.linspace(0, 1, 101)
costs = {
    "dense": np.full(101, float(bits)),
    "CSR, 16-bit columns": (1 - shares) * (bits + 16),
    "bitmap": 1 + bits * (1 - shares),
    "bitmap, coded by its entropy": np.array([sparse_bits(1, s, bits) for s in shares]),
}
at = {name: next((s for s, c in zip(shares, cost, strict=True) if c < bits), 1.0) for name, cost in costs.items()}
show(
    plots.format_costs(shares, costs, value_bits=bits),
    alt=f"Bits a weight against sparsity. Dense stays at {bits}. Below it from: "
    + ", ".join(f"{name} {share:.0%} zeros" for name, share in at.items() if name != "dense"),
)

# %% [markdown]
# With 32-bit values and 32-bit positions (lesson 03) a list of positions paid from one half of zeros on. With values of
# 4 bits it pays only from 80 % on, even with positions of 16 bits. A bitmap pays from a quarter on.
#
# ## One code for zeros and all others
#
# The bitmap spends a whole bit on each place, and the same bits on each value, as if all were equally frequent. They
# are not. So count *all* symbols, zero as one of them, and let a frequent one cost less. Eight weights:
#
# | weight | 0 | 1 | −1 | 2 | |
# |---|---|---|---|---|---|
# | how often | 4 | 2 | 1 | 1 | 8 |
# | share $p$ | ½ | ¼ | ⅛ | ⅛ | 1 |
# | bits each, $-\log_2 p$ | 1 | 2 | 3 | 3 | |
# | bits together | 4 | 4 | 3 | 3 | **14** |
#
# With two bits for each symbol it would be 16, as a byte each 64. No code can do better on average, when the symbols
# come independently (Shannon 1948). Divided by their number it is the *entropy*, here 1.75 bits a weight:
#
# $$H = -\sum_k p_k \log_2 p_k$$
#
# ### Exercise 9.2 · ●●○○ · 8 minutes
#
# Write `message_bits(symbols)`: the fewest bits for the whole message.


# %%
@exercise("storage.message_bits")
def message_bits(symbols):
    ...  # your code


# %%
floor = message_bits(matrix.ravel().tolist()) / matrix.size
bitmap = 8 * taken[f"bitmap, {bits} bits each"] / matrix.size
print(f"entropy of the real matrix: {floor:.3f} bits a weight; its bitmap took {bitmap:.3f}")
record("entropy-of-the-matrix", floor, unit="bits a weight", sparsity=sparsity, bits=bits)

# %% [markdown]
# The difference has two parts: a pattern that is not coded, and values that all have the same bits. Code both by their
# entropies, and they come to just what the single code for all symbols takes.
#
# ## Would gzip not do?
#
# Everybody has a compressor. Four of them get the matrix with a byte for each weight, at high settings, and so does the
# coder of our packed files, an *entropy coder*. **How many bits a weight does gzip need?** The entropy is printed
# above.

# %%
predict("storage.gzip", 2.0, unit="bits a weight")  # ← your guess

# %%
import bz2
import lzma
import zlib

import pyarrow

from labkit.coding import encode

# %%
flat, code = matrix.tobytes(), encode(matrix)
without = zlib.compressobj(9, zlib.DEFLATED, 15, 9, zlib.Z_HUFFMAN_ONLY)  # gzip that does not look for matches
lengths = {
    "gzip": len(zlib.compress(flat, 9)),
    "gzip, matches off": len(without.compress(flat) + without.flush()),
    "bzip2": len(bz2.compress(flat)),
    "lzma (xz)": len(lzma.compress(flat, preset=9)),
    "zstd": pyarrow.Codec("zstd", compression_level=19).compress(flat).size,
    "entropy coder": code.words.nbytes + code.tables.nbytes,
}
reached = {name: 8 * size / matrix.size for name, size in lengths.items()}
reveal("storage.gzip", reached["gzip"])

# %%
show(
    plots.reached(reached, floor=floor, title="The same matrix, coded in six ways"),
    alt=f"Bits a weight, entropy {floor:.2f}: " + ", ".join(f"{name} {size:.2f}" for name, size in reached.items()),
)
over = reached["entropy coder"] / floor - 1
record("coder-over-entropy", over, unit="of the entropy", expected=(0.0, 0.02))
record("gzip-over-entropy", reached["gzip"] / floor - 1, unit="of the entropy", expected=(0.05, 0.8))

# %% [markdown]
# gzip is made for text. It looks for strings that have come before. Among weights nearly every match is chance, and to
# write down where it was costs more than it saves: look at the bar with the matches off. (Only when nearly all weights
# are zero do long runs of zeros come again, and then the search pays.) What that bar still has above the entropy is
# gzip's Huffman code, which spends at least one whole bit on each symbol, also on a zero. Where seven weights in ten
# are zeros, a zero is worth half a bit. The other three look for order in ways of their own; weights have little of it.
#
# And the weights as they were, 32-bit floating-point numbers? Look at their four bytes one by one:

# %%
whole = teacher.model.state_dict()[name].numpy()
planes = np.ascontiguousarray(whole).view(np.uint8).reshape(-1, 4).T
for place, plane in zip(("lowest byte", "second", "third", "sign and exponent"), planes, strict=True):
    print(f"{place:18} entropy {message_bits(plane.tolist()) / plane.size:.2f} of 8 bits, "
          f"gzip {8 * len(zlib.compress(plane.tobytes(), 9)) / plane.size:.2f}")
gzipped = len(zlib.compress(whole.tobytes(), 9)) / whole.nbytes
record("gzip-of-floats", gzipped, unit="of the size", expected=(0.85, 0.97))

# %% [markdown]
# The lower bytes are noise: gzip takes nothing away from them. Only the byte with the exponent has some order.
# **Compression without loss begins after the noise has been rounded away**, not before.
#
# ## A fraction of a bit
#
# How does a coder spend half a bit? It does not write the symbols one after another. It puts the whole message
# into *one number*. Three symbols occur 2 : 1 : 1, so symbol 0 owns the slots 0 and 1 of every four, symbol 1 owns
# slot 2, symbol 2 owns slot 3. To push symbol $s$ with count $f$, first slot $c$, total $M = 4$ onto the number $x$:
#
# $$x \;\to\; \lfloor x / f \rfloor \cdot M + c + (x \bmod f)$$
#
# | push | on 4 | on 8 | on 16 | on 66 | on 132 |
# |---|---|---|---|---|---|
# | symbol | 0 | 0 | 1 | 0 | 2 |
# | number | ⌊4/2⌋·4 + 0 + 0 = 8 | ⌊8/2⌋·4 = 16 | 16·4 + 2 = 66 | ⌊66/2⌋·4 = 132 | 132·4 + 3 = 531 |
#
# Here $x \bmod f$ is always 0. From an odd number it is not: symbol 0 on 5 gives ⌊5/2⌋·4 + 0 + 1 = 9. The remainder of
# 9 by 4 is slot 1, the second of symbol 0, and that keeps in mind that it was 5 and not 4.
#
# A frequent symbol doubles the number: one bit. A rare one makes it four times as large: two bits. A symbol that comes
# seven times out of eight would multiply it by 8/7: a fifth of a bit. To read the message, undo the last step first:
# the remainder by 4 is the slot, and the slot has one owner. (Duda's *asymmetric numeral systems*. Our coder does the
# same, and moves 32 bits out whenever the number gets too large.)
#
# ### Exercise 9.3 · ●●●○ · 12 minutes
#
# Write `pop(number, counts)`: the symbol that was pushed last, and the number as it was before.


# %%
@exercise("storage.pop")
def pop(number, counts):
    ...  # your code


# %%
number, message = 531, []
while number > 4:
    symbol, number = pop(number, [2, 1, 1])
    message.append(symbol)
print("taken out, the last one first:", message)

# %% [markdown]
# And a thousand real weights, in one number. Before the first push it is 1000, the total, as it was 4 above. That takes
# ten bits by itself:

# %%
start = np.random.default_rng(seed).integers(0, matrix.size - 1000)
weights = matrix.ravel()[start : start + 1000].astype(int)
symbols, counts = np.unique(weights, return_counts=True)
first = np.concatenate([[0], np.cumsum(counts)[:-1]])
number = 1000
for weight in weights.tolist():
    place = int(np.searchsorted(symbols, weight))
    quotient, remainder = divmod(number, int(counts[place]))
    number = quotient * 1000 + int(first[place]) + remainder
print(f"the number has {number.bit_length()} bits; the entropy asks for {message_bits(weights.tolist()):.0f}, "
      f"the 1000 at the beginning for {np.log2(1000):.0f}")
print(f"it begins with {str(number)[:40]} …")
back, number = pop(number, counts.tolist())
print(f"on top: {symbols[back]}; the last of the weights: {weights[-1]}")

# %% [markdown]
# ## Layer by layer
#
# The packed file holds every matrix like that, each with counts of its own. Rows or columns whose weights are larger
# than others get counts of their own too, where that saves bits. What does a layer take?

# %%
listed = pack.inspect(packed)
floors = {key: message_bits(code.integers.ravel().tolist()) / 8 for key, code in small.encodings.items()}
coded = {row["name"]: row["bytes"] - row["scale_bytes"] for row in listed if row["stored"] == "integers"}
everything = sum(coded.values()) + sum(row["bytes"] for row in listed if row["stored"] == "tables")
entropies = sum(floors.values())
print(f"integers with all tables: {everything / 1e6:.3f} MB; entropies of the matrices: {entropies / 1e6:.3f} MB")
scales, how_many = sum(row["scale_bytes"] for row in listed), sum(c.scales.numel() for c in small.encodings.values())
print(f"{how_many:,} scales of 16 bits take {8 * scales / how_many:.1f} bits each")
record("file-over-entropy", everything / entropies - 1, unit="of the entropy", expected=(-0.05, 0.02))

# %%
def in_words(listed):
    kinds = pack.totals(listed) | {
        "scales among these": sum(row["scale_bytes"] for row in listed),
        "floats among these": sum(row["bytes"] for row in listed if row["stored"] in ("dense", "half", "sparse")),
    }
    return "Kilobytes by part: " + ", ".join(f"{kind} {size / 1000:,.0f}" for kind, size in kinds.items())


show(plots.contents(listed, title="The packed file, part by part"), alt=in_words(listed))

# %% [markdown]
# The file may come out a little *below* the entropies. They are no limit for it: rows of large and of small weights
# have counts of their own in the file, and the entropy of a whole matrix does not know of them.
#
# Three things to see in the picture. The word embedding is most of the file: it was rounded but not pruned. Pooler and
# head are few weights, and yet a visible bar: nobody rounded them, and a float costs its 32 bits. And *scales* are
# there, one of 16 bits for each row. They are floats too. Their lower byte is noise and stays as it is, the upper one
# is coded: what is left of the 16 bits is printed above. The smaller the weights get, the more such things weigh.
#
# With the entropy one can tell the size of a file that nobody has made yet. A sample of each layer's weights is enough:
# prune it, round it, count. Does it come true?

# %%
from labkit.widgets import storage as widget

sizes = widget.sizes_of(teacher, packed)
grid = [(0.0, 3), (0.9, 8)] if profile == "quick" else [(s, b) for s in (0.0, 0.5, 0.9) for b in (2, 3, 4, 8)]
off = []
for share, width in grid:
    setting = {"sparsity": share, "bits": width, "embedding_bits": width}
    real = Policy(widget.steps_of(**setting)).packed(teacher, task).stat().st_size / 1e6
    told = sizes.whole(*setting.values())
    off.append(told / real - 1)
    print(f"{share:4.0%} zeros, {width} bits: {told:6.2f} MB told, {real:6.2f} MB in the file")
record("told-size-off-by", float(np.abs(off).max()), unit="of the file", expected=(0.0, 0.08))

# %% [markdown]
# Within a few percent, and where few bits are left the file is even smaller than told. A row with one large weight gets
# a wide step, and most of its other weights become zero. The file counts such rows apart from others; the entropy of
# the whole matrix does not know of them.
#
# ## Tune it
#
# Sparsity, the bits of the encoder, those of the word embedding, and what every layer then takes: grey with all its
# bits, blue by its entropy. On the right each line is the whole file with so many bits in the encoder. The word
# embedding keeps what you have set for it, so the lines meet where the whole encoder is zero. The sizes are computed
# from a sample of the real weights, so the sliders answer at once. **Measure** prunes, rounds and packs the real model,
# loads the file, and scores it.
#
# Three things to find out: At 8 bits, how much does coding save? How many zeros do 8 bits need until the file is as
# small as with 2 bits and no zeros at all? Which of the three sliders moves the file most, and which moves F1 most?

# %%
from labkit.widgets.panel import static

panel = widget.panel(teacher, task, sizes, sparsity=0.5, bits=4)
panel

# %% [markdown]
# The same at its first setting, for readers of a page without a kernel:

# %%
static(widget.view, sizes=sizes, sparsity=0.5, bits=4, embedding_bits=4)

# %% [markdown]
# Why is the line of 2 bits so flat? With one scale a row and 2 bits, every weight below half of its row's largest is
# rounded to zero anyway. Those are nearly all, and pruning takes the smallest of them: hardly anything changes until it
# reaches the others.
#
# ## Two thin matrices for one
#
# The article names factorization as another way, and says that it splits the model into several sub-models. It does
# not. It splits a *matrix*. Some matrices are products of two thin ones:
#
# $$\begin{pmatrix} 2 & 4 & 6\\ 1 & 2 & 3\\ 3 & 6 & 9 \end{pmatrix} =
# \begin{pmatrix} 2\\ 1\\ 3 \end{pmatrix} \begin{pmatrix} 1 & 2 & 3 \end{pmatrix}$$
#
# Nine numbers became six. Rank one: every row is a multiple of one row. For any matrix the *singular value
# decomposition* gives the nearest matrix of a chosen rank $r$, the one with the least sum of squared errors (Eckart and
# Young 1936), as two factors of rows × $r$ and $r$ × columns. A matrix works along as many directions as its smaller
# side has numbers. A *singular value* says how strongly it works along one of them, the largest first. Rank $r$ keeps
# the first $r$ directions. Its sum of squared errors is the sum of the squares of the singular values that were left
# out.
#
# ### Exercise 9.4 · ●●○○ · 8 minutes
#
# Write `largest_rank(rows, columns)`: the largest rank at which the two factors together have fewer weights than the
# matrix.


# %%
@exercise("storage.largest_rank")
def largest_rank(rows, columns):
    ...  # your code


# %%
shapes = {"word embedding": (30522, 384), "feed-forward": (1536, 384), "attention": (384, 384)}
for kind, (height, width) in shapes.items():
    print(f"{kind:15} {height:6,} × {width}: two factors are smaller up to rank {largest_rank(height, width)}")

# %% [markdown]
# Rank 128 saves in all three. But real matrices are never exactly of low rank. How near are they? And is rank a better
# way to spend bits than rounding? For one matrix of each shape: the error of low rank, its factors counted at 8 bits
# and taken as exact (that flatters it), and the error of rounding with one scale a row, against the bits that a weight
# of the matrix costs.

# %%
from labkit.quantization import Scheme, dequantize, quantize


def low_rank(weight, value_bits=8):
    values = np.linalg.svd(weight, compute_uv=False) ** 2  # the squares of the singular values, the largest first
    ranks = np.unique(np.geomspace(4, len(values), 12 if profile == "quick" else 40).astype(int))
    error = np.array([np.sqrt(values[rank:].sum() / values.sum()) for rank in ranks])
    return ranks * sum(weight.shape) * value_bits / weight.size, error


def rounding(weight):
    codes = [quantize(torch.from_numpy(weight), Scheme(width, "row")) for width in (2, 3, 4, 6)]
    cost = [(encode(code.integers.numpy()).words.nbytes + code.scales.nbytes) * 8 / weight.size for code in codes]
    error = [np.linalg.norm(dequantize(code).numpy() - weight) / np.linalg.norm(weight) for code in codes]
    return np.array(cost), np.array(error)


# %%
state = {key: tensor.numpy() for key, tensor in teacher.model.state_dict().items()}
chosen = {
    "word embedding": state["bert.embeddings.word_embeddings.weight"],
    "feed-forward, up": state["bert.encoder.layer.0.intermediate.dense.weight"],
    "query": state["bert.encoder.layer.0.attention.self.query.weight"],
}
curves = {key: low_rank(weight) for key, weight in chosen.items()}
rounded = {key: rounding(weight) for key, weight in chosen.items()}

# %%
at_four = {key: float(np.interp(4, *curve)) for key, curve in curves.items()}
show(
    plots.svd_errors(curves, rounded),
    alt="Error against bits a weight. Low rank at 4 bits: " + ", ".join(f"{key} {e:.2f}" for key, e in at_four.items())
    + ". Rounding to 4 bits: " + ", ".join(f"{key} {e[2]:.2f} at {b[2]:.1f} bits" for key, (b, e) in rounded.items()),
)
record("embedding-error-low-rank", at_four["word embedding"], unit="of the norm", expected=(0.4, 0.8))
record("embedding-error-rounded", float(rounded["word embedding"][1][2]), unit="of the norm", expected=(0.05, 0.25))

# %% [markdown]
# The lines fall late. At 4 bits low rank still leaves a large part of the norm, rounding far less. Where low rank
# becomes exact, at the right end of each line, it costs 8 bits and more. The singular values fall slowly: nearly every
# direction of the matrix is in use. Only the leftmost points, those of 2 bits, lie about as high as the lines: a scale
# that reaches up to the largest weight of its row leaves nearly all the others at zero. (`clip="mse"` of lesson 05
# shortens that reach; here all roundings are those of the files.)
#
# An error in the matrix is not yet an error in F1. **Which macro-F1 does the teacher have left with its word embedding
# at rank 128?** That table then has a third of its numbers. Nothing is trained afterwards.

# %%
predict("storage.f1-rank-128", 0.85, unit="macro-F1")  # ← your guess

# %%
from labkit.statistics import compare, macro_f1
from labkit.steps import Factorize

before = predict_once(teacher, texts)
rivals = {
    f"rank {rank}": Policy([Factorize(rank=rank, what="embeddings")]),
    f"rank {rank}, rounded to 8 bits": Policy([Factorize(rank=rank, what="embeddings"), Quantize(bits=8)]),
    "4 bits": Policy([Quantize(bits=4, group="row")]),
}
answers = {key: predict_once(policy.apply(teacher, task), texts) for key, policy in rivals.items()}
lost = {key: compare(truth, before, answer) for key, answer in answers.items()}
reveal("storage.f1-rank-128", macro_f1(truth, answers[f"rank {rank}"]))

# %%
weighed = {key: policy.packed(teacher, task).stat().st_size / 1e6 for key, policy in rivals.items()}
for key in rivals:
    f1 = macro_f1(truth, answers[key])
    print(f"{key:28} {weighed[key]:6.2f} MB   macro-F1 {f1:.3f}   against the teacher {lost[key].points()}")
record("f1-low-rank", macro_f1(truth, answers[f"rank {rank}"]), unit="macro-F1", rank=rank)
record("size-low-rank", weighed[f"rank {rank}"], unit="MB", rank=rank)
record("size-4-bits", weighed["4 bits"], unit="MB", expected=(7, 12))

# %% [markdown]
# Compare the megabytes, and the points lost with their intervals. If the last line has fewer of both, rounding is the
# better way to store these weights. It is not even at its best here: with lesson 05's groups of 64 weights in place of
# whole rows the error of the same 4 bits is smaller, for some more scales.
#
# The model is still *one* model with the same layers; one of its matrices became two. It can be worth it where a matrix
# is *trained* thin from the start (ALBERT does that), or where multiplications count and not bytes.
#
# ## Words
#
# Half of the weights are rows of the word embedding, one for each of 30,522 tokens. Most tokens never occur in our
# headlines. `MergeVocabulary` keeps the rows of the tokens that occur most often in the training texts, headlines and
# articles, and lets every other token use the kept row that is nearest to its own, the one that points most nearly in
# the same direction. What does that leave to store?
#
# ### Exercise 9.5 · ●○○○ · 6 minutes
#
# Write `merged_bytes(tokens, rows, width, bits)`: the bytes of both together, the table that is left (`rows` × `width`
# weights of `bits` bits, no scales) and the map, which gives *every* token a row number of the same whole number of
# bits.


# %%
@exercise("storage.merged_bytes")
def merged_bytes(tokens, rows, width, bits):
    ...  # your code


# %%
merged = Policy([PruneMagnitude(sparsity=sparsity), MergeVocabulary(rows=rows), Quantize(bits=bits, group="row")])
file = merged.packed(teacher, task)
inside = {row["name"]: row["bytes"] for row in pack.inspect(file)}
table, chosen_rows = inside["bert.embeddings.word_embeddings.weight"], inside["rows of tokens"]
by_formula = {"table": merged_bytes(0, rows, 384, bits), "map": merged_bytes(30522, rows, 0, bits)}
for part, size in {"table": table, "map": chosen_rows}.items():
    print(f"the {part}: {by_formula[part] / 1000:7,.1f} kB by your formula, {size / 1000:7,.1f} kB in the file")
print(f"the words: {inside['words'] / 1000:.1f} kB")
record("merged-file", file.stat().st_size / 1e6, unit="MB", rows=rows, bits=bits)
record("map", chosen_rows / 1000, unit="kB", rows=rows)
record("words", inside["words"] / 1000, unit="kB", expected=(80, 100))

# %% [markdown]
# Both are smaller than their formulas. The table, although its scales are in it too, because its weights are coded:
# they take their entropy, not all their bits. The map, because which tokens kept their row takes less than a bit a
# token to say, and those need no number.
#
# Is the nearest row a good place for a token that lost its own? There are two other answers. It may become *unknown*,
# as every word does that a vocabulary does not have; then the map says no more than who kept a row. Or the tokenizer is
# told the kept tokens alone, and cuts a word into smaller *pieces* of them; then no map is needed at all, but the text
# becomes longer. (A word that has no such pieces becomes unknown.) All three with the same rows and nothing else
# changed, in pairs with the nearest:

# %%
from labkit.steps.cut_vocabulary import three_answers

for kept in (rows, rows // 2):
    ways = three_answers(teacher, task, rows=kept)
    said = {way: predict_once(one, texts) for way, one in ways.items()}
    for way, one in ways.items():
        length = np.mean([len(row) for row in one.tokenizer(texts)["input_ids"]])
        worse = f", loses {compare(truth, said[way], said['nearest']).points()}" if way != "nearest" else ""
        print(f"{kept:,} rows, {way:8} macro-F1 {macro_f1(truth, said[way]):.3f}, {length:4.1f} tokens{worse}")
    record(f"f1-{kept}-rows-nearest", macro_f1(truth, said["nearest"]), unit="macro-F1", expected=(0.7, 0.95))

# %% [markdown]
# Where an interval lies above zero, that answer is worse than the nearest row, before any training. The fewer the rows,
# the more tokens have to live with it: compare the two halves of the output.
#
# But who cuts a table trains the model afterwards. (Lesson 10 is about how.) In training the rows learn what they stand
# for now, and the layers learn to put pieces together. We gave each of the three the same short one, once through the
# same texts. The output above is of one fold; this was done with all five. **With 3,000 rows, how many points worse
# than the nearest row are pieces after it?**

# %%
predict("storage.pieces-after-training", 1, unit="points of macro-F1")  # ← your guess

# %%
from labkit.reference import reference

compared = reference("vocabulary")["rows"]
reveal("storage.pieces-after-training", compared[-1]["worse"])
show(
    plots.lost_tokens(compared), alt="Points of macro-F1 less than the nearest row: " + "; ".join(
        f"{row['name']} {row['worse']:+.1f} ({row['worse_low']:+.1f} to {row['worse_high']:+.1f})"
        for row in compared[1:] if row["answer"] != "nearest"
    ),
)  # fmt: skip

# %% [markdown]
# Where an interval holds the zero, that answer cannot be told from the nearest row. Compare the two marks of a line:
# how much of the difference has the training taken away? And compare the lines: with how many rows does it matter most
# which answer you take?
#
# So with *as many rows* the map may be worth having. But rows are not bytes. Pieces need no map, and the file lists the
# kept words alone, not all 30,522. What that saves can buy more rows. The table that lesson 10 reads has such a pair:
# files of about the same size, trained alike and for longer than these. In the names *1.2 bits* is what a weight takes
# on average when it is coded, and *head of 2* says with how many bits pooler and head were rounded. The points lost are
# against the teacher.

# %%
for row in reference("compression")["rows"]:
    if "head of 2" in row["name"]:
        points = f"{row['f1_loss']:+.1f} points ({row['f1_loss_low']:+.1f} to {row['f1_loss_high']:+.1f})"
        print(f"{row['bytes'] / 1e6:.2f} MB, lost {points}: {row['name'].removeprefix('pipeline, ')}")

# %% [markdown]
# If the two intervals nearly cover each other, it is a draw at this size: the nearest row for fewer words, or pieces
# for more of them. What is left to decide it is time. With the map every text stays as short as it was, and a short
# text is a fast one; how many tokens pieces add, you have seen above.
#
# The *words* themselves are a larger part than one would think, although the file has them compressed, by bzip2. What
# takes so much? Compare them with the same words in alphabetical order:

# %%
from math import lgamma, log

from labkit.pack.words import join

vocabulary = teacher.tokenizer.get_vocab()
by_number = len(bz2.compress(join(sorted(vocabulary, key=vocabulary.get)).encode()))
by_letter = len(bz2.compress(join(sorted(vocabulary)).encode()))
order = lgamma(len(vocabulary) + 1) / log(2) / 8
print(f"in the order of their numbers {by_number / 1000:.1f} kB, in alphabetical order {by_letter / 1000:.1f} kB")
print(f"to say which of all orders it is: log2 of {len(vocabulary):,}! = {order / 1000:.1f} kB")
record("words-in-alphabetical-order", by_letter / 1000, unit="kB", expected=(40, 50))

# %% [markdown]
# More than half of the vocabulary's bytes tell nothing about words: they tell in which *order* somebody numbered them.
# Information has its price also where nobody needs it. So number the tokens anew, in alphabetical order, and put the
# rows of the table in that order too. For every text the model computes the very same numbers:

# %%
from labkit.steps import SortVocabulary

merge_and_sort = [*steps[:1], MergeVocabulary(rows=rows), SortVocabulary(), steps[1]]
final = Policy(merge_and_sort).packed(teacher, task)
same = np.array_equal(pack.load(file).logits(texts[:50]), pack.load(final).logits(texts[:50]))
saved = (file.stat().st_size - final.stat().st_size) / 1000
print(f"logits equal in every bit: {same}; {saved:.1f} kB less")
after = {row["name"]: row["bytes"] for row in pack.inspect(final)}
for part in ("words", "rows of tokens"):
    print(f"{part}: {inside[part] / 1000:.1f} kB before, {after[part] / 1000:.1f} kB now")
record("saved-by-sorting", saved, unit="kB", expected=(40, 60))

# %% [markdown]
# The map, the *rows of tokens*, becomes smaller too. In alphabetical order many a token shares its row with a neighbour
# in the list, and to say so takes fewer bits than a number.
#
# ## Every byte, and none of them wrong
#
# Here is the smaller file. On a command line the same comes from `labkit pack inspect FILE --picture out.png`.

# %%
listed = pack.inspect(final)
show(plots.contents(listed, title="Pruned, rounded, merged: where every byte goes"), alt=in_words(listed))
print(f"{sum(row['bytes'] for row in listed):,} bytes listed, {final.stat().st_size:,} in the file")

# %% [markdown]
# The *other embeddings* are smaller than in the first picture as well: `MergeVocabulary` also takes away the positions
# beyond 128 tokens, the longest text that we ever compute.
#
# A model that was packed has to come back as it was: not nearly, but in every bit, and in another process. So here is
# the model as it is before it is packed, the steps done by hand, and the same model from the file:

# %%
import subprocess
import sys

unpacked = teacher.copy()
for step in merge_and_sort:
    step.prepare(unpacked, task)
for step in merge_and_sort:
    step.finish(unpacked)
one = pack.load(final)
here = one.logits(texts[:5]).tobytes().hex()
code = "import sys; from labkit import pack; print(pack.load(sys.argv[1]).logits(sys.argv[2:]).tobytes().hex())"
words = [sys.executable, "-c", code, str(final), *texts[:5]]
there = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
print("logits before packing and from the file equal in every bit:", unpacked.logits(texts[:5]).tobytes().hex() == here)
print("logits here and in a fresh process equal in every bit:", here == there)

# %% [markdown]
# And a file that was damaged on its way has to say so. One bit of millions is enough to try:

# %%
import tempfile
from pathlib import Path

from labkit.errors import PackError

with tempfile.TemporaryDirectory() as folder:
    damaged = bytearray(final.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (Path(folder) / "damaged.pack").write_bytes(damaged)
    try:
        pack.load(Path(folder) / "damaged.pack")
    except PackError as error:
        print(error)

# %% [markdown]
# *words* are here the 32-bit words that the entropy coder wrote, most of the file, and not those of the vocabulary. The
# last thing to see is how long loading takes, and what the model is worth:

# %%
import time

clock = time.perf_counter()
pack.load(final)
seconds = time.perf_counter() - clock
f1 = macro_f1(truth, predict_once(one, texts))
print(f"{final.stat().st_size / 1e6:.2f} MB, loaded in {seconds:.2f} s; macro-F1 {f1:.3f} without any training")
record("load", seconds, unit="s", expected=(0.0, 2.0))
record("smaller", 1e6 * plain / final.stat().st_size, unit="times", sparsity=sparsity, bits=bits, rows=rows)

# %% [markdown]
# The file is small, and its F1 shows that nothing was done to help the model: pruned in one shot, rounded, its words
# merged, and never trained. That is what [the lesson on distillation](10_distillation.ipynb) is for. *What a step costs
# in bytes you know now before you take it.*
#
# ## The article says, we measured

# %%
from labkit.claims import verdicts

dense = Policy([Quantize(bits=bits, group="row")]).packed(teacher, task).stat().st_size / 1e6
verdicts({
    "C03": f"{zeros:.0%} zeros in a matrix: {8 * taken['CSR of PyTorch'] / matrix.size:.1f} bits a weight in PyTorch's "
    f"sparse format, {reached['entropy coder']:.2f} when the zeros are coded. The file at {bits} bits: {dense:.2f} MB "
    f"without pruning, {packed.stat().st_size / 1e6:.2f} MB with {sparsity:.0%} of the encoder at zero",
    "C10": f"one matrix became two thin ones, in one model; at rank {rank} of 384 the word embedding is off by "
    f"{float(np.interp(rank * (30522 + 384) * 8 / (30522 * 384), *curves['word embedding'])):.2f} of its norm, F1 "
    f"{macro_f1(truth, answers[f'rank {rank}']):.3f} ({weighed[f'rank {rank}']:.1f} MB); rounded to 4 bits "
    f"{macro_f1(truth, answers['4 bits']):.3f} ({weighed['4 bits']:.1f} MB)",
})  # fmt: skip

# %% [markdown]
# ## Recap
#
# - A position costs bits. The smaller the values, the more zeros it takes before a sparse format pays.
# - The counts of the symbols say how small the file can get: their entropy (of each group of weights that is alike). A
#   good coder comes within a few thousandths.
# - gzip looks for repetition, and weights have hardly any. Floats are mostly noise: round first, compress then.
# - Factorization splits a matrix, not a model. These matrices use nearly all their directions: from 3 bits on,
#   rounding spends bits better.
# - Count everything: scales, the map, the words and their order. In the smallest files they are what is left.
#
# ## Further reading
#
# - Shannon: *A Mathematical Theory of Communication*, Bell System Technical Journal, 1948.
# - Duda: *Asymmetric numeral systems*, 2013, [arXiv 1311.2540](https://arxiv.org/abs/1311.2540).
# - Bamler: *Understanding Entropy Coding With Asymmetric Numeral Systems*, 2022,
#   [arXiv 2201.01741](https://arxiv.org/abs/2201.01741). By the author of the coder that we use.
# - Han, Mao, Dally: *Deep Compression*, ICLR 2016, [arXiv 1510.00149](https://arxiv.org/abs/1510.00149). Pruning,
#   shared weights and Huffman coding, one after the other.
# - Eckart, Young: *The approximation of one matrix by another of lower rank*, Psychometrika 1, 1936.
# - Lan et al.: *ALBERT*, ICLR 2020, [arXiv 1909.11942](https://arxiv.org/abs/1909.11942). A thin embedding from the
#   start.
# - Abdaoui, Pradel, Sigel: *Load What You Need*, 2020, [arXiv 2010.05609](https://arxiv.org/abs/2010.05609). Smaller
#   vocabularies.
