"""Reading tables: what is read, and what each unusable file is told."""

import pandas as pd
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from labkit.errors import OfflineError, TaskError
from labkit.readers import read_hub, read_table

ROWS = {"text": ["one apple", "some iron"], "label": ["fruit", "metal"]}


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_every_file_type_gives_the_same_rows(tmp_path, kind):
    path, frame = tmp_path / f"table.{kind}", pd.DataFrame(ROWS)
    if kind == "csv":
        frame.to_csv(path, index=False)
    elif kind == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_parquet(path)
    assert read_table(path) == (ROWS["text"], ROWS["label"])


def test_texts_are_stripped_and_labels_stay_text(tmp_path):
    path = write(tmp_path, "t.csv", 'text,label,more\n"  a, ""b""\n c ",01,x\nNone,1.0,y\n')
    assert read_table(path) == (['a, "b"\n c', "None"], ["01", "1.0"])


def test_a_byte_order_mark_of_a_spreadsheet_is_no_part_of_the_name(tmp_path):
    assert read_table(write(tmp_path, "t.csv", b"\xef\xbb\xbftext,label\na,b\n")) == (["a"], ["b"])


def test_letters_of_all_scripts_come_back(tmp_path):
    text = "Größe 大小 размер حجم 🍐"
    assert read_table(write(tmp_path, "t.csv", f"text,label\n{text},ä\n")) == ([text], ["ä"])


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.csv", "", "a column `text` and a column `label`.*t.csv, which is empty"),
        ("t.csv", "text,label\n", "at least one row.*header only"),
        ("t.csv", "text,class\na,b\n", r"columns \['class', 'text'\].*Rename or add: label"),
        ("t.csv", "text;label\na;b\n", r"columns \['text;label'\]"),
        ("t.csv", "text,label\na,b\n  ,b\n", "a text in every row.*1 empty ones in t.csv, the first in row 2"),
        ("t.csv", "text,label\na,\nb,NaN\n", "a label in every row.*2 empty ones in t.csv, the first in row 1"),
        ("t.csv", "text,label\nétoile,b\n".encode("latin-1"), "UTF-8.*byte 0xe9.*Save the file again"),
        ("t.csv", 'text,label\n"a,b\n', "a readable .csv file"),
        ("t.csv", "text,label\nup, and down,b\na,c,b\n", "t.csv: its rows have more fields.*needs quotes"),
        ("t.csv", "text,label\na,b\nup, and down,b\n", "a readable .csv file.*Expected 2 fields in line 3, saw 3"),
        ("t.jsonl", '{"text": "a", "label": null}\n', "a label in every row"),
        ("t.jsonl", '{"text": "a", "label": NaN}\n', "a label in every row"),
        ("t.jsonl", '{"text": "a", \n', "a readable .jsonl file"),
        ("t.jsonl", '{"text": "é"}\n'.encode("latin-1"), "UTF-8.*byte 0xe9"),
        ("t.jsonl", "", "a column `text`"),
        ("t.parquet", "no parquet", "a readable .parquet file"),
        ("t.xlsx", "PK", r"file types .csv, .jsonl, .parquet.*t.xlsx.*CSV in UTF-8"),
        ("table", "text,label\na,b\n", "file types .csv"),
    ],
)
def test_an_unusable_file_is_told_what_is_wrong_with_it(tmp_path, name, content, words):
    with pytest.raises(TaskError, match=words):
        read_table(write(tmp_path, name, content))


def test_a_missing_file_and_a_folder_are_no_tables(tmp_path):
    with pytest.raises(TaskError, match=r"nowhere.csv \(there is no such file\).*relative to the folder"):
        read_table(tmp_path / "nowhere.csv")
    with pytest.raises(TaskError, match="no such file"):
        read_table(tmp_path)


def hub_folder(folder, parts, features=None):
    for part, rows in parts.items():
        (folder / "data").mkdir(exist_ok=True)
        Dataset.from_dict(rows, features=features).to_parquet(folder / "data" / f"{part}-00000-of-00001.parquet")
    return str(folder)


@pytest.fixture(autouse=True)
def _own_datasets_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("datasets"))


def test_a_folder_laid_out_like_the_hub_is_read_with_all_its_parts(tmp_path):
    name = hub_folder(tmp_path, {"train": ROWS, "test": {"text": ["a pear"], "label": ["fruit"]}})
    texts, labels = read_hub(name)
    assert sorted(zip(texts, labels, strict=True)) == [
        ("a pear", "fruit"), ("one apple", "fruit"), ("some iron", "metal"),
    ]  # fmt: skip


def test_class_numbers_become_class_names():
    features = Features({"text": Value("string"), "label": ClassLabel(names=["fruit", "metal"])})
    rows = Dataset.from_dict({"text": ["a", "b"], "label": [1, 0]}, features=features)
    assert read_hub("x/y", loader=lambda name: DatasetDict(train=rows)) == (["a", "b"], ["metal", "fruit"])


def test_a_row_without_a_class_is_told_in_words():
    features = Features({"text": Value("string"), "label": ClassLabel(names=["fruit", "metal"])})
    rows = Dataset.from_dict({"text": ["a"], "label": [-1]}, features=features)
    with pytest.raises(TaskError, match="one table with a column `text`.*Save the part that you want as a CSV"):
        read_hub("x/y", loader=lambda name: DatasetDict(test=rows))


def test_a_data_set_of_several_configurations_is_told_in_words():
    def loader(name):
        raise ValueError("Config name is missing.\nPlease pick one among the available configs: ['a', 'b']")

    with pytest.raises(TaskError, match=r"x/y: Config name is missing\. Save"):
        read_hub("x/y", loader=loader)


def test_other_columns_are_told(tmp_path):
    with pytest.raises(TaskError, match="Rename or add: label, text"):
        read_hub(hub_folder(tmp_path, {"train": {"sentence": ["a"], "class": ["b"]}}))


def test_without_a_network_the_hub_is_an_offline_error():
    with pytest.raises(OfflineError, match="owner/name from the hub.*needs no network"):
        read_hub("owner/name")  # HF_HUB_OFFLINE is set for all tests


def test_an_empty_folder_is_told(tmp_path):
    with pytest.raises(OfflineError, match="doesn't contain any data files"):
        read_hub(str(tmp_path))
