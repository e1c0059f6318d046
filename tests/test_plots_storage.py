"""The pictures of lesson 09 show the numbers they are given, with words on their axes."""

import numpy as np
import pytest
from drawn import assert_has_words, lines
from matplotlib.colors import to_hex

from labkit.plots import storage as plots
from labkit.plots.style import COLOURS

SHARES = np.linspace(0, 1, 5)
ROWS = [
    {"name": "bert.embeddings.word_embeddings.weight", "kind": "word embedding", "stored": "integers", "bytes": 6000,
     "scale_bytes": 1000},
    {"name": "bert.encoder.layer.1.output.dense.weight", "kind": "encoder", "stored": "integers", "bytes": 1500,
     "scale_bytes": 500},
    {"name": "bert.encoder.layer.0.output.dense.weight", "kind": "encoder", "stored": "sparse", "bytes": 1000,
     "scale_bytes": 0},
    {"name": "bert.encoder.layer.0.output.dense.bias", "kind": "encoder", "stored": "half", "bytes": 500,
     "scale_bytes": 0},
    {"name": "classifier.weight", "kind": "head", "stored": "dense", "bytes": 200, "scale_bytes": 0},
    {"name": "bert.embeddings.LayerNorm.bias", "kind": "other embeddings", "stored": "half", "bytes": 100,
     "scale_bytes": 0},
    {"name": "words", "kind": "vocabulary", "stored": "text", "bytes": 900, "scale_bytes": 0},
    {"name": "rows of tokens", "kind": "vocabulary", "stored": "map", "bytes": 300, "scale_bytes": 0},
    {"name": "tables of frequencies", "kind": "header", "stored": "tables", "bytes": 50, "scale_bytes": 0},
    {"name": "header", "kind": "header", "stored": "text", "bytes": 450, "scale_bytes": 0},
]  # fmt: skip
LINES = {"2 bits": (SHARES, [9, 8, 7, 6, 5]), "8 bits": (SHARES, [20, 18, 15, 12, 5])}
LOST = [{"name": "teacher"}] + [
    {"rows": 300, "answer": answer, "trained": trained, "worse": worse, "worse_low": worse - 1, "worse_high": worse + 2}
    for answer, trained, worse in [("nearest", False, 0), ("unknown", False, 9), ("pieces", False, 6), ("pieces", True, 3)]
]  # fmt: skip
FIGURES = {
    "lost_tokens": lambda: plots.lost_tokens(LOST),
    "format_costs": lambda: plots.format_costs(SHARES, {"dense": np.full(5, 4.0), "bitmap": 1 + 4 * (1 - SHARES)}, value_bits=4),
    "reached": lambda: plots.reached({"gzip": 1.9, "entropy coder": 1.51}, floor=1.5, title="Two coders"),
    "svd_errors": lambda: plots.svd_errors({"query": (np.array([1, 4, 8]), np.array([0.9, 0.6, 0.3]))}, {"query": (np.array([2, 4]), np.array([0.4, 0.1]))}),
    "contents": lambda: plots.contents(ROWS, title="All of it"),
    "layers_and_file": lambda: plots.layers_and_file(["word embedding", "layer 0"], [6, 1], [5, 0.5], lines=LINES, now=(0.5, 7.5), measured=[(0.2, 8.1)]),
}  # fmt: skip


def test_every_picture_is_tested():
    assert set(FIGURES) == set(plots.__all__) - {"group_of"}


@pytest.mark.parametrize("name", FIGURES)
def test_every_axis_has_words_and_the_picture_can_be_drawn(name):
    assert_has_words(FIGURES[name]())


def test_costs_are_in_percent_and_bits():
    ax = FIGURES["format_costs"]().axes[0]
    assert lines(ax)["bitmap"].get_xydata().tolist() == [[0, 5], [25, 4], [50, 3], [75, 2], [100, 1]]
    assert len(ax.lines) == 2, "nothing lies over the line of the dense format"


def test_only_what_reaches_the_entropy_is_dark():
    ax = FIGURES["reached"]().axes[0]
    assert [bar.get_width() for bar in ax.patches] == [1.51, 1.9]
    assert [to_hex(bar.get_facecolor()).upper() for bar in ax.patches] == [COLOURS["blue"], COLOURS["sky"]]
    assert lines(ax)["entropy, 1.50"].get_xdata()[0] == 1.5


def test_errors_of_rank_are_lines_and_of_rounding_points():
    found = lines(FIGURES["svd_errors"]().axes[0])
    assert found["low rank, query"].get_xydata().tolist() == [[1, 0.9], [4, 0.6], [8, 0.3]]
    assert found["rounded, query"].get_xydata().tolist() == [[2, 0.4], [4, 0.1]]
    assert (found["low rank, query"].get_marker(), found["rounded, query"].get_linestyle()) == ("None", "None")
    assert found["rounded, query"].get_markerfacecolor() == "none", "points of several matrices lie over one another"


def test_every_byte_is_in_the_picture_once_and_in_its_place():
    ax = FIGURES["contents"]().axes[0]
    assert sum(bar.get_width() for bar in ax.patches) == pytest.approx(sum(row["bytes"] for row in ROWS) / 1000)
    names = [label.get_text() for label in ax.get_yticklabels()][::-1]
    assert names == [
        "word embedding", "other embeddings", "layer 0", "layer 1", "pooler and head", "words of the vocabulary",
        "rows of merged tokens", "header and tables",
    ]  # fmt: skip
    words = {text.get_text() for text in ax.texts}
    assert {"6.0 kB, 54.5%", "1.5 kB, 13.6%", "0.9 kB, 8.2%", "0.5 kB, 4.5%"} <= words
    parts = {box.get_label(): [round(bar.get_width(), 3) for bar in box][::-1] for box in ax.containers}
    assert parts == {
        "integers": [5, 0, 0, 1, 0, 0, 0.3, 0],
        "scales": [1, 0, 0, 0.5, 0, 0, 0, 0],
        "values as they are": [0, 0.1, 1.5, 0, 0.2, 0, 0, 0],
        "text and tables": [0, 0, 0, 0, 0, 0.9, 0, 0.5],
    }


def test_what_a_file_has_not_is_not_explained():
    ax = plots.contents(ROWS[-2:]).axes[0]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["text and tables"]


def test_the_widgets_picture_has_the_setting_and_the_points():
    left, right = FIGURES["layers_and_file"]().axes
    assert sorted(bar.get_width() for bar in left.patches) == [0.5, 1, 5, 6]
    found = lines(right)
    assert found["your setting"].get_xydata().tolist() == [[50, 7.5]]
    assert found["measured by you"].get_xydata().tolist() == [[20, 8.1]]
    assert found["2 bits"].get_xydata()[:, 1].tolist() == [9, 8, 7, 6, 5]
    assert len({found[name].get_linestyle() for name in LINES}) == 2


def test_each_answer_stands_where_it_is_worse_than_the_nearest_by_so_much():
    fig = plots.lost_tokens(LOST)
    ax = fig.axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["pieces, 300 rows", "unknown, 300 rows"]
    before, after = (container.lines[0] for container in ax.containers)
    assert (before.get_xdata().tolist(), after.get_xdata().tolist()) == ([9, 6], [3])
    assert [round(height) for height in before.get_ydata()] == [1, 0]
    (ends,) = ax.containers[1].lines[2]
    assert ends.get_segments()[0][:, 0].tolist() == [2, 5]
