"""The results table: rows with paired losses, ratios and times; one row that fails costs no other."""

import json

import numpy as np
import pytest
import small

from labkit import pages, recipes, reference
from labkit.bench import _contestants, compression
from labkit.bench._contestants import CONTESTANTS, Contestant, Made
from labkit.errors import ModelFileError, SettingError
from labkit.latency import Latency
from labkit.plots.frontier import frontier, on_the_front
from labkit.policy import Policy
from labkit.steps import Quantize
from labkit.task import load_task

LABELS = load_task(limit=60).labels


SEEN = []
"""How many texts the models were given, call by call."""


def _guesser(seed, size):
    guesser = small.classifier(LABELS, seed=seed)
    guesser.model.register_forward_pre_hook(
        lambda model, positional, named: SEEN.append(len(named["input_ids"])), with_kwargs=True
    )
    return lambda task, folder, progress: Made(guesser, size)


def _counting(variants, *, rounds, settle):
    """Stands for `race` with a clock that shows one millisecond a text: real times of tiny models are noise."""

    def taken(call):
        call()
        return Latency(p50=SEEN[-1], p95=SEEN[-1] + 1)

    return {name: taken(call) for name, call in variants.items()}


def _missing(task, folder, progress):
    raise ModelFileError("a package", received="nothing", do="Install it.")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the command on these contestants; gives the rows that it wrote, by name."""
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(reference, "FOLDER", tmp_path)
    monkeypatch.setattr(pages, "FOLDER", tmp_path)
    monkeypatch.setattr(pages, "PAGES", (tmp_path / "README.md",))
    monkeypatch.setattr(compression, "PICTURE", tmp_path / "frontier.png")
    monkeypatch.setattr(compression, "race", _counting)
    (tmp_path / "README.md").write_text("<!-- reference:compression -->\nstale\n<!-- end -->\n")
    contestants = [
        Contestant("teacher", _guesser(0, 1000)), Contestant("other", _guesser(1, 250), Policy([Quantize(bits=4)])),
        Contestant("not here", _missing),
    ]  # fmt: skip
    monkeypatch.setattr(compression, "CONTESTANTS", contestants)

    def main(*words):
        compression.main(["--folds", "1", *words])
        path = tmp_path / "compression.json"
        return {row["name"]: row for row in json.loads(path.read_text())["rows"]} if path.is_file() else {}

    return main


def test_rows_have_what_the_table_promises(run, tmp_path, capsys):
    rows = run()
    assert list(rows) == ["teacher", "other"]
    assert "not here: left out. Expected a package" in capsys.readouterr().out
    teacher, other = rows.values()
    assert (teacher["f1_loss"], teacher["ratio"], other["ratio"]) == (0.0, 1.0, 4.0)
    assert other["f1_loss"] == pytest.approx(100 * (teacher["f1"] - other["f1"]))
    assert other["policy"] == [Quantize(bits=4).to_dict()]
    assert (other["latency_b1_p50_ms"], other["latency_b1_p95_ms"], other["latency_b32_p50_ms"]) == (1, 2, 32)
    assert other["batch_flips"] == 0
    assert (tmp_path / "frontier.png").read_bytes()[:4] == b"\x89PNG"
    text = (tmp_path / "README.md").read_text()
    assert "stale" not in text
    assert "| other | 0.00 MB | 4.0× |" in text


def test_what_was_measured_is_not_measured_again(run, monkeypatch):
    first = run()
    monkeypatch.setattr(compression, "flips", None)
    assert [row["f1"] for row in run().values()] == [row["f1"] for row in first.values()]


def test_rows_that_are_skipped_are_not_in_the_table(run):
    assert list(run("--skip", "oth")) == ["teacher"]


def test_a_choice_of_rows_writes_nothing_and_a_wrong_one_is_told(run, capsys):
    assert run("--only", "other") == {}
    assert "lost" in capsys.readouterr().out
    with pytest.raises(SettingError, match="words of a row's name.*There are: teacher, other"):
        run("--only", "nonsense")


def test_each_contestant_has_a_name_of_its_own_and_begins_with_its_kind():
    names = [one.name for one in CONTESTANTS]
    assert names[0] == "teacher"
    assert len(set(names)) == len(names)
    for one in CONTESTANTS:
        if one.policy is not None:
            assert Policy.from_json(one.policy.to_json()) == one.policy


def test_nothing_on_the_front_is_beaten_and_everything_else_is():
    random = np.random.default_rng(0)
    rows = [
        {"name": f"r{i}", "bytes": int(size), "f1": f1}
        for i, (size, f1) in enumerate(zip(random.integers(1, 99, 40), random.random(40), strict=True))
    ]
    front = on_the_front(rows)

    def beaten(row):
        return any(o["bytes"] <= row["bytes"] and o["f1"] >= row["f1"] and o is not row for o in rows)

    assert {row["name"] for row in rows if not beaten(row)} == {row["name"] for row in front}


def test_the_picture_shows_every_row_with_its_interval_or_names_it():
    rows = [
        {"name": name, "bytes": size, "ratio": 9e7 / size, "f1": f1, "f1_low": f1 - 0.1, "f1_high": f1 + 0.05}
        for name, size, f1 in (
            ("teacher", 9e7, 0.9), ("pipeline, small", 1e6, 0.8), ("pipeline, hardly smaller", 9.5e5, 0.79),
            ("pipeline, half", 5e5, 0.78), ("TF-IDF", 2e6, 0.8), ("quantization, 2 bits", 4e6, 0.3),
        )
    ]  # fmt: skip
    (axes,) = frontier(rows).axes
    assert axes.get_xscale() == "log"
    assert len(axes.containers) == 5
    assert [text.get_text() for text in axes.texts] == ["90×", "180×", "2 bits: 0.30"]
    assert "MB" in axes.get_xlabel()


@pytest.mark.parametrize("bodies", [False, True])
def test_the_better_teacher_reads_pieces_of_bodies_and_nothing_that_is_held_out(bodies, monkeypatch):
    asked = []
    for module in (_contestants, recipes):
        monkeypatch.setattr(module, "fine_tune", lambda task, **_: asked.append(task))
    task = load_task(limit=200)
    _contestants._start(task, bodies)
    (read,) = asked
    assert (set(read.texts("train")) > set(task.texts("train"))) == bodies
    assert not {*read.texts("train")} & {*task.texts("test"), *task.texts("validation")}
