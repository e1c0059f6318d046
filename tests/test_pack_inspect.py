"""`labkit pack inspect` shows where every byte goes, in words, as JSON and as a picture."""

import json

import pytest
import small
from typer.testing import CliRunner

from labkit import pack
from labkit.cli import app
from labkit.steps import Quantize


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    classifier = small.classifier()
    Quantize(bits=4).finish(classifier)
    path = tmp_path_factory.mktemp("packed") / "model.pack"
    pack.save(classifier, path)
    return path


def test_every_part_is_listed_and_they_add_up(path):
    said = CliRunner().invoke(app, ["pack", "inspect", str(path)])
    assert said.exit_code == 0
    (row,) = (line for line in said.output.splitlines() if "word_embeddings" in line)
    assert "integers" in row
    assert f"{30522 * 16:,}" in row
    for kind, size in pack.totals(pack.inspect(path)).items():
        (line,) = (
            line
            for line in said.output.splitlines()
            if line.startswith(kind + " ") and "%" in line and line.count("%") == 1 and "text" not in line
        )
        assert f" {size:,} " in line
    assert f"{path.stat().st_size:,}" in said.output.splitlines()[-1]


def test_json_has_no_nan(path):
    said = CliRunner().invoke(app, ["pack", "inspect", str(path), "--json"])
    rows = json.loads(said.output, parse_constant=lambda name: pytest.fail(name))
    assert sum(row["bytes"] for row in rows) == path.stat().st_size


def test_the_picture_is_a_png_and_a_place_that_cannot_be_written_to_is_told(path, tmp_path):
    said = CliRunner().invoke(app, ["pack", "inspect", str(path), "--picture", str(tmp_path / "out.png")])
    assert said.output.endswith("Picture: out.png\n")
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
    said = CliRunner().invoke(app, ["pack", "inspect", str(path), "--picture", str(tmp_path / "none" / "out.png")])
    assert said.exit_code == 2
    assert "a place to write out.png" in said.output


def test_what_is_no_packed_file_is_refused_in_one_message(tmp_path):
    said = CliRunner().invoke(app, ["pack", "inspect", str(tmp_path / "none.pack")])
    assert said.exit_code == 2
    assert "Expected a packed file at none.pack. Received no such file." in said.output
