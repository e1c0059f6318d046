import base64
import json
import re
from html.parser import HTMLParser

import pytest
from tiny import GOOD, PICTURE, write_lessons

from labkit.report import html
from labkit.running import Plan, run

DANGEROUS = "raise ValueError('<script>alert(1)</script>')"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    place = tmp_path_factory.mktemp("report")
    write_lessons(place / "notebooks", {"00_good": [GOOD, PICTURE], "01_bad": [DANGEROUS]})
    run(Plan.make([], {"seed": "7"}, folder=place / "notebooks"), folder=place / "run")
    return (place / "run" / "report.html").read_text(encoding="utf8")


class Tags(HTMLParser):
    """Collects tags with their attributes, and checks that what is opened is closed."""

    def __init__(self, text):
        super().__init__()
        self.found, self.open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_needs_nothing_from_outside(page):
    tags = Tags(page)
    assert tags.open == []
    assert all(attrs["src"].startswith("data:image/png;base64,") for tag, attrs in tags.found if tag == "img")
    assert not re.search(r"https?://|<link|<script", page)
    assert ("html", {"lang": "en"}) in tags.found


def test_figures_are_embedded_with_alt_text(page):
    (image,) = [attrs for tag, attrs in Tags(page).found if tag == "img"]
    assert image["alt"] == 'An empty plot with "axes"'
    assert base64.b64decode(image["src"].partition(",")[2])[1:4] == b"PNG"


def test_results_parameters_and_commands_are_there(page):
    assert "<td>doubled</td><td>8 bits</td><td></td><td>7 to 9</td><td>inside</td><td>seed 7</td>" in page
    assert "<td>share</td><td>0.5</td>" in page
    assert "labkit run 00 -p seed=7" in page
    assert "<td>torch</td>" in page


def test_a_failure_shows_cell_and_traceback_and_is_escaped(page):
    # The executed notebook has the given parameters in a cell of their own, after its first.
    assert "Cell 3 raised ValueError: &lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<summary>Traceback</summary>" in page


def test_a_result_line_is_one_sentence_of_totals(page):
    assert "1 of 2 lessons ran to their end; failed: 01_bad" in page


def test_a_half_finished_folder_makes_a_page(tmp_path):
    about = {
        "started": "now",
        "lessons": ["00_a"],
        "given": {},
        "machine": "m",
        "versions": {},
        "finished": False,
    }
    (tmp_path / "run.json").write_text(json.dumps(about))
    assert "0 of 1 lessons ran to their end; not run: 00_a" in html(tmp_path)
