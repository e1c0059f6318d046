"""`labkit pack inspect`: where every byte of a packed file goes."""

from pathlib import Path

from labkit.commands import tables
from labkit.errors import SettingError
from labkit.pack import inspect, totals

__all__ = ["show_contents"]


def show_contents(path, *, picture="", as_json=False):
    """Print the parts of a packed file and their totals by kind; `picture` names a PNG to draw them into.

    Raises PackError for what is no packed file, SettingError for a picture that cannot be written.
    """
    rows = inspect(path)
    size = sum(row["bytes"] for row in rows)
    if as_json:
        plain = [row | {"bits_per_value": row["bits_per_value"] if row["values"] else None} for row in rows]
        tables.show(plain, as_json=True)
    else:
        numbers = ("bytes", "of the file", "scales", "values", "bits a value")
        tables.show([_shown(row, size) for row in rows], numbers=numbers)
        print()
        kinds = totals(rows) | {"the whole file": size}
        tables.show(
            [{"kind": kind, "bytes": f"{part:,}", "of the file": f"{part / size:.1%}"} for kind, part in kinds.items()],
            numbers=numbers,
        )
    if picture:
        _draw(rows, Path(picture), Path(path).name)


def _shown(row, size):
    return {
        "name": row["name"], "stored": row["stored"], "bytes": f"{row['bytes']:,}",
        "of the file": f"{row['bytes'] / size:.1%}", "scales": f"{row['scale_bytes']:,}" if row["scale_bytes"] else "",
        "values": f"{row['values']:,}" if row["values"] else "",
        "bits a value": f"{row['bits_per_value']:.2f}" if row["values"] else "",
    }  # fmt: skip


def _draw(rows, path, name):
    from labkit.plots.storage import contents
    from labkit.plots.style import png

    try:
        path.write_bytes(png(contents(rows, title=f"Where every byte of {name} goes"), dpi=150))
    except OSError as error:
        do = "Choose another folder."
        raise SettingError(f"a place to write {path.name}", received=error.strerror, do=do) from None
    print(f"Picture: {path.name}")
