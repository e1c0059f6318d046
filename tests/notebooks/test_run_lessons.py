"""Every lesson runs from top to bottom as it is handed out; the browser tests run them with all exercises solved."""

import pytest
from ahead import ORDER

from labkit.lessons import lessons

# First those that the process beside us leaves to us.
LESSONS = [*(lesson.name for lesson in lessons() if lesson.name not in ORDER), *ORDER]

pytestmark = [pytest.mark.notebooks, pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.mark.parametrize("lesson", LESSONS)
def test_as_handed_out(lesson, ahead, told):
    outcome = ahead.find(lesson)
    told(f" {lesson} quick: {outcome['seconds']:.0f} s")
    assert outcome["failure"] is None, outcome["failure"]
    assert outcome["found"], "a lesson records its main numbers"


@pytest.fixture
def told(capsys):
    """Print into the report of a session that passes too."""

    def tell(words):
        with capsys.disabled():
            print(words, end=" ")

    return tell
