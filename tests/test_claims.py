"""The ledger of claims: complete, and shown beside its evidence."""

import re

import pytest

from labkit.claims import SIGNS, claims, verdicts
from labkit.errors import SettingError


def test_every_claim_is_complete_and_has_its_own_number():
    found = claims()
    assert list(found) == [f"C{number:02}" for number in range(1, len(found) + 1)]
    assert len(found) >= 50
    for claim in found.values():
        assert claim.verdict in SIGNS
        assert claim.claim
        assert claim.what_is_true
        assert re.fullmatch(r"\d+(\.\d+)?([ ,;–-].*)?", claim.section), claim
        assert re.fullmatch(r"(\d\d_\w+)?", claim.lesson), claim  # none yet, or its name


def test_as_text_there_is_claim_sign_verdict_and_evidence_in_the_order_asked():
    claim = claims()["C26"]
    lines = repr(verdicts({"C26": "60 % are zero", "C01": "0.11 billion"})).splitlines()
    assert lines[0] == f"C26 (§ {claim.section}) {claim.claim}"
    assert lines[1] == "    ✗ wrong: 60 % are zero"
    assert lines[2].startswith("C01 ")


def test_as_html_it_is_a_table_that_nothing_can_break_out_of():
    html = verdicts({"C26": "a <script>alert(1)</script> & more"})._repr_html_()
    assert html.count("<tr>") == 2
    assert html.count('<th scope="col" style="text-align:left') == 4
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in html
    assert "✗ wrong" in html  # a word beside the sign


def test_an_unknown_claim_is_told():
    with pytest.raises(SettingError, match=r"ids from C01 to C\d\d. Received \['C00', 'X1'\]"):
        verdicts({"X1": "", "C26": "", "C00": ""})
