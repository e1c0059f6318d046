"""The ledger of the article's claims: what it says in our words, our verdict, and the evidence just produced."""

import csv
from dataclasses import dataclass
from html import escape
from pathlib import Path

from labkit.errors import SettingError

__all__ = ["Claim", "Ledger", "claims", "verdicts"]

FILE = Path(__file__).parent.parent / "data" / "claims.csv"
SIGNS = {"holds": "✓", "holds if": "≈", "wrong": "✗", "not verifiable": "?"}


@dataclass(frozen=True)
class Claim:
    """One claim of the article: where it stands, what it says in our words, and what we say of it."""

    id: str
    section: str
    claim: str
    verdict: str
    what_is_true: str
    lesson: str


def claims():
    """Read all claims; a dictionary by id.

    >>> claims()["C26"].verdict
    'wrong'
    """
    with FILE.open(encoding="utf-8", newline="") as file:
        return {row["id"]: Claim(**row) for row in csv.DictReader(file)}


class Ledger:
    """A table of claims with the evidence for each verdict, shown as HTML or as plain text."""

    def __init__(self, rows):
        self.rows = rows

    def __repr__(self):
        return "\n".join(
            f"{claim.id} (§ {claim.section}) {claim.claim}\n    {SIGNS[claim.verdict]} {claim.verdict}: {evidence}"
            for claim, evidence in self.rows
        )

    def _repr_html_(self):
        left = 'style="text-align:left;vertical-align:top"'
        words = ("claim", "the article", "verdict", "we measured")
        head = "".join(f'<th scope="col" {left}>{word}</th>' for word in words)
        cells = (
            (f"{claim.id}, § {claim.section}", claim.claim, f"{SIGNS[claim.verdict]} {claim.verdict}", evidence)
            for claim, evidence in self.rows
        )
        body = "".join("<tr>" + "".join(f"<td {left}>{escape(text)}</td>" for text in row) + "</tr>" for row in cells)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def verdicts(evidence):
    """Set what was measured beside what the article says; `evidence` maps ids of claims to one sentence each.

    >>> verdicts({"C26": "after pruning, 60 % of the weights are zero"})
    C26 (§ 5.3) pruning keeps the total number of parameters to keep performance
        ✗ wrong: after pruning, 60 % of the weights are zero

    Raises SettingError for an unknown id.
    """
    known = claims()
    if unknown := sorted(set(evidence) - set(known)):
        raise SettingError(f"ids from {min(known)} to {max(known)}", received=str(unknown), do="See data/claims.csv.")
    return Ledger([(known[id], text) for id, text in evidence.items()])
