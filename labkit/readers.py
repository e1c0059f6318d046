"""Reading a reader's own rows: CSV, JSONL or Parquet files, and data sets of the Hugging Face hub."""

from pathlib import Path

import pandas as pd

from labkit.errors import OfflineError, TaskError

__all__ = ["read_hub", "read_table"]

COLUMNS = "a column `text` and a column `label`"


def read_table(path):
    """Read the columns `text` and `label` of a CSV, JSONL or Parquet file; returns two lists of the same length.

    Texts are stripped; labels are kept as text. An empty or missing text is an error that names its rows.

    Raises TaskError for a file that is missing, empty, in another encoding than UTF-8, or short of a column.
    """
    path = Path(path)
    if not path.is_file():
        raise TaskError(
            "a file, or the task bbc-headlines, or hub:owner/name", received=f"{path} (there is no such file)",
            do="Check the path; it is relative to the folder of the notebook.",
        )  # fmt: skip
    return _columns(_frame(path), path.name)


def _frame(path):
    readers = {
        ".csv": lambda: _csv(path),
        ".jsonl": lambda: pd.read_json(path, lines=True, encoding="utf-8", dtype=False),
        ".parquet": lambda: pd.read_parquet(path),
    }
    if path.suffix.lower() not in readers:
        raise TaskError(
            f"one of the file types {', '.join(readers)}", received=path.name, do="Save the table as CSV in UTF-8."
        )
    try:
        return readers[path.suffix.lower()]()
    except UnicodeDecodeError as error:
        raise TaskError(
            "text in UTF-8", received=f"byte {error.object[error.start]:#x} at position {error.start} of {path.name}",
            do="Save the file again with the encoding UTF-8.",
        ) from None  # fmt: skip
    except pd.errors.EmptyDataError:
        raise TaskError(
            COLUMNS, received=f"{path.name}, which is empty", do="Put one row for each text in it."
        ) from None
    except (ValueError, OSError, pd.errors.ParserError) as error:
        raise TaskError(
            f"a readable {path.suffix} file", received=f"{path.name}: {error}", do="Save it again."
        ) from None


def _csv(path):
    frame = pd.read_csv(path, encoding="utf-8", keep_default_na=False, dtype=str)
    if not isinstance(frame.index, pd.RangeIndex):
        # pandas would take what is too much for names of rows, and the rest of a text for the text.
        raise ValueError("its rows have more fields than its header; a text with a comma in it needs quotes")
    return frame


def _columns(frame, name):
    missing = {"text", "label"} - set(frame.columns)
    if missing:
        raise TaskError(
            COLUMNS, received=f"the columns {sorted(map(str, frame.columns))} in {name}",
            do=f"Rename or add: {', '.join(sorted(missing))}.",
        )  # fmt: skip
    if frame.empty:
        raise TaskError(
            "at least one row", received=f"{name}, which has a header only", do="Put one row for each text in it."
        )
    for column in ("text", "label"):
        empty = frame[column].isna() | frame[column].astype(str).str.strip().str.lower().isin(["", "nan"])
        if empty.any():
            raise TaskError(
                f"a {column} in every row", received=f"{int(empty.sum())} empty ones in {name}, the first in row "
                f"{int(empty.to_numpy().argmax()) + 1}", do="Fill these rows or take them out.",
            )  # fmt: skip
    return frame["text"].astype(str).str.strip().tolist(), frame["label"].astype(str).str.strip().tolist()


def read_hub(name, *, loader=None):
    """Read a data set of the hub with the columns `text` and `label`, or a local folder laid out like one.

    `name` is `owner/name` or the path of a folder that `datasets.load_dataset` understands; all its parts are put
    together, since folds are cut here. Class numbers become class names where the data set has them.

    Raises OfflineError when the hub does not answer, TaskError when the columns are not there.
    """
    from datasets import concatenate_datasets, load_dataset
    from datasets.exceptions import DatasetNotFoundError

    try:
        parts = (loader or load_dataset)(name)
    except (ConnectionError, OSError, DatasetNotFoundError) as error:
        raise OfflineError(
            f"the data set {name} from the hub", received=f"{type(error).__name__}: {error}",
            do="Check the name and the connection, or use the task bbc-headlines, which needs no network.",
        ) from None  # fmt: skip
    except ValueError as error:  # several configurations, or files that do not fit together
        raise _no_table(name, error) from None
    try:
        rows = concatenate_datasets(list(parts.values()))
        frame = rows.to_pandas()
        feature = rows.features.get("label")
        if hasattr(feature, "int2str"):
            frame["label"] = [feature.int2str(int(code)) for code in frame["label"]]
    except ValueError as error:  # parts with other columns, or rows whose class number is −1
        raise _no_table(name, error) from None
    return _columns(frame, name)


def _no_table(name, error):
    return TaskError(
        f"a data set that is one table with {COLUMNS}", received=f"{name}: {str(error).splitlines()[0].rstrip('.')}",
        do="Save the part that you want as a CSV, and load that.",
    )  # fmt: skip
