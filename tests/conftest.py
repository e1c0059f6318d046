"""Small notebooks to run lessons with."""

import pytest
from tiny import write_lessons


@pytest.fixture
def lessons_folder(tmp_path):
    """Make tiny lessons, `{"00_good": [code, ...]}`, in this test's folder `notebooks`."""
    return lambda cells_by_name: write_lessons(tmp_path / "notebooks", cells_by_name)
