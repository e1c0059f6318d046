"""More rows from the bodies of training articles: their labels, how many, and nothing of what is held out."""

import pytest
from datasets import Dataset

from labkit.augment import with_bodies
from labkit.errors import SettingError
from labkit.steps.distill import pieces as cut
from labkit.task import load_task


@pytest.fixture(scope="module")
def task():
    return load_task(fold=0)


def test_every_piece_carries_the_label_of_the_article_that_it_stands_in(task):
    more = with_bodies(task, pieces=500, repeat=1)
    bodies = {}
    for sentence, row in zip(task.texts("transfer"), task.rows("transfer"), strict=True):
        bodies[int(row)] = bodies.get(int(row), "") + " " + " ".join(sentence.split())
    label = dict(zip(task.rows("train").tolist(), task.truth("train").tolist(), strict=True))
    added = list(zip(more.texts("train"), more.truth("train"), more.rows("train"), strict=True))[len(label) :]
    assert len(added) == 500
    for text, truth, row in added:
        assert text in bodies[int(row)]
        assert truth == label[int(row)]
        assert 2 <= len(text.split()) <= 8


def test_headlines_come_as_often_as_asked_and_all_other_parts_stay(task):
    before = task.fingerprint
    more = with_bodies(task, pieces=50, repeat=3)
    assert task.fingerprint == before
    assert more.texts("train")[:-50] == task.texts("train") * 3
    assert more.truth("train")[:-50].tolist() == task.truth("train").tolist() * 3
    for part in ("validation", "test", "transfer"):
        assert more.texts(part) == task.texts(part)
        assert more.truth(part).tolist() == task.truth(part).tolist()
    assert len(task.texts("train")) == (len(more.texts("train")) - 50) // 3


def test_the_same_seed_gives_the_same_pieces_and_a_larger_number_begins_with_them(task):
    few, many = with_bodies(task, pieces=40, repeat=1), with_bodies(task, pieces=80, repeat=1)
    assert few.fingerprint == with_bodies(task, pieces=40, repeat=1).fingerprint
    assert many.texts("train")[:-40] == few.texts("train")
    other = with_bodies(task, pieces=40, repeat=1, seed=1)
    assert len({few.fingerprint, many.fingerprint, other.fingerprint, task.fingerprint}) == 4


def test_a_number_beyond_what_there_is_gives_all_pieces(task):
    more = with_bodies(task, pieces=10**6, repeat=1)
    assert sorted(more.texts("train")) == sorted(task.texts("train") + cut(task.texts("transfer"), 7))


def test_a_piece_that_is_also_a_held_out_text_is_left_out(task):
    piece = cut(task.texts("transfer"), 7)[0]
    held_out = Dataset.from_dict({"text": [piece], "label": [0], "row": [10**6]})
    more = with_bodies(task.with_part("test", held_out), pieces=10**6, repeat=1)
    assert piece in with_bodies(task, pieces=10**6, repeat=1).texts("train")
    assert piece not in more.texts("train")


@pytest.mark.parametrize("wrong", [{"pieces": 0}, {"words": 1}, {"repeat": 0}])
def test_numbers_that_make_no_sense_are_refused(task, wrong):
    with pytest.raises(SettingError, match="at least one piece of two words"):
        with_bodies(task, **wrong)


def test_a_task_without_bodies_is_refused(tmp_path):
    path = tmp_path / "short.csv"
    path.write_text("text,label\n" + "".join(f"row {i} of {'ab'[i % 2]},{'ab'[i % 2]}\n" for i in range(40)))
    with pytest.raises(SettingError, match="a task whose texts have bodies"):
        with_bodies(load_task(str(path)), pieces=5)
