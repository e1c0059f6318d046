import pytest

from labkit.errors import RunError
from labkit.lessons import Lesson, choose, lessons


@pytest.fixture
def folder(lessons_folder):
    return lessons_folder({"00_first": ["1"], "01_second": ["1"], "10_tenth": ["1"]})


def test_lessons_come_in_the_order_of_their_numbers(folder):
    assert [lesson.number for lesson in lessons(folder)] == ["00", "01", "10"]


@pytest.mark.parametrize("word", ["1", "01", "01_second", "01_second.ipynb"])
def test_a_lesson_is_found_by_number_or_name(folder, word):
    assert [lesson.name for lesson in choose([word], folder)] == ["01_second"]


def test_no_word_means_all(folder):
    assert len(choose([], folder)) == 3


def test_the_same_lesson_twice_is_one(folder):
    assert len(choose(["1", "01"], folder)) == 1


def test_an_unknown_lesson_is_refused_with_the_list(folder):
    with pytest.raises(RunError, match=r"'7'.*There are: 00_first, 01_second, 10_tenth"):
        choose(["7"], folder)


def test_an_empty_folder_says_how_to_build(tmp_path):
    with pytest.raises(RunError, match="labkit notebooks build"):
        choose([], tmp_path)


def test_parameters_have_types_defaults_and_help(folder):
    found = Lesson(folder / "00_first.ipynb").parameters
    assert list(found) == ["seed", "profile", "bits", "share", "layers", "exact"]
    assert (found["bits"].kind, found["bits"].default, found["bits"].help) == ("int", 4, "bits per weight")
    assert found["layers"].default == [0, 1]
    assert found["profile"].options == ("quick", "full")


def test_values_get_the_declared_type(folder):
    given = {"bits": "3", "share": "1", "layers": "[5]", "exact": "true", "profile": "full"}
    checked = Lesson(folder / "00_first.ipynb").check(given)
    assert checked == {"bits": 3, "share": 1.0, "layers": [5], "exact": True, "profile": "full"}
    assert isinstance(checked["share"], float)


def test_an_unknown_parameter_is_refused_with_the_list(folder):
    with pytest.raises(RunError, match=r"(?s)lesson 00_first\. Received 'bit'.*bits: int = 4  # bits per weight"):
        Lesson(folder / "00_first.ipynb").check({"bit": "3"})


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("bits", "3.5", r"type int for bits. Received '3.5'.*-p bits=4"),
        ("share", "half", r"type float for share. Received 'half'.*-p share=0.5"),
        ("exact", "maybe", r"type bool for exact"),
        ("layers", "3", r"type list for layers.*-p layers='\[0, 1\]'"),
        ("layers", "[3", r"type list for layers"),
        ("profile", "fast", r"one of quick, full. Received 'fast'"),
    ],
)
def test_a_value_of_another_type_is_refused(folder, name, text, words):
    with pytest.raises(RunError, match=words):
        Lesson(folder / "00_first.ipynb").check({name: text})
