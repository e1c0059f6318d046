"""The measured blocks of README.md and docs/results.md are written from data/reference, so that none can disagree."""

import re
from pathlib import Path

from labkit.reference import FOLDER, markdown_table, reference

__all__ = ["PAGES", "fill", "update"]

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", ROOT / "docs" / "results.md")
BLOCK = re.compile(r"(<!-- reference:(\w+)((?: \| [^|>]+)*) -->\n).*?(<!-- end -->)", re.DOTALL)


def fill(text):
    """Put our measured results between the marks `<!-- reference:NAME -->` and `<!-- end -->` of a text.

    A mark `<!-- reference:NAME | one row | another -->` asks for these rows alone, where they have been measured.

    >>> fill("no marks, no change")
    'no marks, no change'
    """
    return BLOCK.sub(lambda found: f"{found[1]}{_words(found[2], _names(found[3]))}\n{found[4]}", text)


def update():
    """Write the blocks of all pages anew; returns the names of the pages, in words."""
    for page in PAGES:
        page.write_text(fill(page.read_text("utf-8")), "utf-8")
    return " and ".join(page.name for page in PAGES)


def _names(words):
    return [name.strip() for name in words.split("|")[1:]]


def _words(name, rows):
    if not (FOLDER / f"{name}.json").is_file():
        return "Not measured yet."
    values = reference(name)
    form = _form(values)
    if rows:
        values = values | {"rows": [row for row in values["rows"] if row["name"] in rows]}
    return form(values)


def _form(values):
    if "parity" in values:
        return _workers
    if values.get("rows") and "ratio" in values["rows"][0]:
        return _sizes
    return _speed if "ratio" in values else markdown_table


def _speed(values):
    """The result of `labkit bench training`: one ratio."""
    return (
        "**{ratio:.2f}** of the time of `transformers.Trainer` ({ratio_low:.2f} to {ratio_high:.2f} over the pairs), "
        "with macro-F1 {f1_difference:+.1f} points against it ({f1_difference_low:+.1f} to "
        "{f1_difference_high:+.1f}).\n\nMeasured with `{command}` on {machine}."
    ).format(**values)


def _sizes(values):
    """The results of `labkit bench compression`: size, F1, paired loss and time of each row."""
    lines = [
        "| | size | smaller | macro-F1 (95 % interval) | lost, paired (points) | one text | labels that flip |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in values["rows"]:
        lost = f"{row['f1_loss']:+.1f} ({row['f1_loss_low']:+.1f} to {row['f1_loss_high']:+.1f})"
        lines.append(
            f"| {row['name']} | {row['bytes'] / 1e6:.2f} MB | {row['ratio']:.1f}× | {row['f1']:.3f} "
            f"({row['f1_low']:.3f} to {row['f1_high']:.3f}) | {'' if row['f1_loss'] == 0 else lost} "
            f"| {row['latency_b1_p50_ms']:.2f} ms | {row['batch_flips']} |"
        )
    return "\n".join([*lines, "", f"Measured with `{values['command']}` on {values['machine']}."])


def _workers(values):
    """The results of `labkit bench distributed` as two tables: on one machine, and over the slowest link."""
    parity = values["parity"]
    lines = [
        f"Largest difference of any weight after 50 steps, 2 and 4 workers against one process: {parity['sgd']:.1g} "
        f"with SGD, {parity['adamw']:.1g} with AdamW.",
        "", "| | rows a step | seconds a step | MB a step | efficiency | macro-F1 |", "|---|---|---|---|---|---|",
        *map(_here, values["rows"]),
    ]  # fmt: skip
    if values["links"]:
        lines += ["", "| over a link | Mbit/s | seconds a step | predicted |", "|---|---|---|---|"]
        slowest = min(row["mbit_per_second"] for row in values["links"])
        lines += [_linked(row) for row in values["links"] if row["mbit_per_second"] == slowest]
        told = [abs(row["prediction_error"]) for row in values["links"] if not row["fitted"]]
        lines += ["", f"The predictions come from a model of six numbers, fitted for each classifier to the table "
                  f"above and to the same ways over a link ten times as fast; they are at most {max(told):.0%} "
                  "off."]  # fmt: skip
    return "\n".join([*lines, "", f"Measured with `{values['command']}` on {values['machine']}."])


def _here(row):
    efficiency = "" if row["efficiency"] is None else f"{row['efficiency']:.0%}"
    f1 = "" if row["f1"] is None else f"{row['f1']:.3f}"
    size = row["bytes_per_step"] / 1e6
    return (
        f"| {row['name']} | {row['global_batch']} | {row['seconds_per_step']:.3f} | {size:.1f} | {efficiency} | {f1} |"
    )


def _linked(row):
    seconds, told = row["seconds_per_step"], row["predicted_seconds"]
    return f"| {row['name']} | {row['mbit_per_second']} | {seconds:.2f} | {told:.2f} |"
