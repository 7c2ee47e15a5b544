"""Which files a source names, what each is read as, and what a table, a text and a dataset's folder give."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import polars as pl
import pytest

from loopwright.errors import UserError, UserErrors
from prep.sources.files import SourceFile, find_files
from prep.sources.rows import META_COLUMNS, iter_rows, read_rows
from prep.sources.source import LINE
from prep.sources.source_config import SourceConfig


def files_of(folder: Path, **source: Any) -> list[SourceFile]:
    return find_files((SourceConfig.model_validate(source),), folder, "mine.yaml")


def read(folder: Path, **source: Any) -> tuple[list[dict[str, str | None]], list[tuple[int, str]], list[str]]:
    files = files_of(folder, **source)
    rows = read_rows(files)
    rejected = [(row.line, row.reason) for _, row in rows.rejected]
    return rows.frame.drop(META_COLUMNS).to_dicts(), rejected, [notice for file in files for notice in file.notices]


def write(folder: Path, **contents: str | bytes) -> None:
    for name, content in contents.items():
        (folder / name.replace("__", ".")).write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b'{"a": 1}\n{"a": 2}\n', "json"),
        (b'\xef\xbb\xbf[{"a": 1}]', "json"),
        (b"a\tb\nc\td\n", "tsv"),
        (b"a,b\nc,d\n", "csv"),
        (b"a;b\nc;d\n", "csv"),
        (b"WEBVTT\n\n00:00.000 --> 00:01.000\n<v A>Hi", "vtt"),
    ],
)
def test_a_file_without_an_ending_is_known_by_its_content(tmp_path: Path, content: bytes, name: str) -> None:
    write(tmp_path, data=content)
    assert files_of(tmp_path, path="data")[0].format.name == name
    assert f"'data' is read as {name}, by its content. Name another with 'format:'." in read(tmp_path, path="data")[2][0]
    assert not read(tmp_path, path="data", format=name)[2]


def test_a_line_that_the_look_cuts_says_nothing_of_the_format(tmp_path: Path) -> None:
    write(tmp_path, data="first,second,third\n" * 10_000)
    assert files_of(tmp_path, path="data")[0].format.name == "csv"


def test_binary_files_without_an_ending_are_known_too(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": [1]})
    frame.write_parquet(tmp_path / "p")
    frame.write_ipc(tmp_path / "f")
    frame.write_ipc_stream(tmp_path / "s")
    assert [files_of(tmp_path, path=name)[0].format.name for name in "pfs"] == ["parquet", "arrow", "arrow"]
    assert [read(tmp_path, path=name)[0] for name in "pfs"] == [[{"a": "1"}]] * 3


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (
            b"Some prose, with a comma.\nAnd more.",
            r"mine\.yaml: sources\.0\.format: cannot tell the format of 'data' .* Name it: 'format:' with one of alpaca",
        ),
        (b"one line", "cannot tell the format"),
        (b"\x1f\x8b\x08\x00", r"the file is packed. Let its name end in '\.gz'"),
        (b"PK\x03\x04", "the file is packed. Unpack it"),
    ],
)
def test_a_file_that_shows_nothing_is_refused(tmp_path: Path, content: bytes, error: str) -> None:
    write(tmp_path, data=content)
    for name in ("auto", "alpaca"):
        with pytest.raises(UserError, match=error):
            files_of(tmp_path, path="data", format=name)


def test_a_folder_gives_its_readable_files_by_their_names(tmp_path: Path) -> None:
    write(tmp_path, b__csv="a\n1\n", a__jsonl='{"a": "2"}', c__txt="x", readme__rst="no", dataset_info__json="{}")
    (tmp_path / ".git").mkdir()
    (tmp_path / "in").mkdir()
    write(tmp_path / ".git", d__txt="no")
    write(tmp_path / "in", e__json='[{"a": "3"}]')
    assert [file.shown for file in files_of(tmp_path, path=".")] == ["a.jsonl", "b.csv", "c.txt", "in/e.json"]
    assert [file.shown for file in files_of(tmp_path, path="**/*.json*")] == ["a.jsonl", "dataset_info.json", "in/e.json"]
    assert [row["a"] for row in read(tmp_path, path=".")[0]] == ["2", "1", None, "3"]


def test_all_that_is_wrong_with_the_sources_is_said_together(tmp_path: Path) -> None:
    write(tmp_path, a__txt="x")
    sources = (SourceConfig(path="none.csv"), SourceConfig(path="a.txt", format="klingon"), SourceConfig(path="a.txt", columns=("a",)))
    with pytest.raises(UserErrors) as caught:
        find_files(sources, tmp_path, "mine.yaml")
    assert [error.location for error in caught.value.errors] == [
        "mine.yaml: sources.0",
        "mine.yaml: sources.1.format",
        "mine.yaml: sources.2.columns",
    ]


@pytest.mark.parametrize(
    ("name", "option", "error"),
    [
        ("a.jsonl", {"delimiter": ";"}, "'delimiter' says nothing of a jsonl file. Remove it; it is for csv, tsv."),
        ("a.csv", {"unit": "file"}, "'unit' says nothing of a csv file. Remove it; it is for txt."),
        ("a.jsonl", {"columns": ["a"], "format": "alpaca"}, "'columns' says nothing of a alpaca, jsonl file"),
    ],
)
def test_a_key_that_a_format_does_not_read_is_refused(tmp_path: Path, name: str, option: dict[str, Any], error: str) -> None:
    (tmp_path / name).write_text('{"a": 1}', encoding="utf-8")
    with pytest.raises(UserError) as caught:
        files_of(tmp_path, path=name, **option)
    assert error in str(caught.value)


def test_one_file_that_reads_a_key_is_enough(tmp_path: Path) -> None:
    write(tmp_path, a__csv="1;2\n", b__txt="x\n")
    rows, _, _ = read(tmp_path, path=".", delimiter=";", columns=["a", "b"])
    assert rows[0] == {"a": "1", "b": "2", "text": None}


def test_addresses_of_other_services_are_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"mine\.yaml: sources\.0\.path: 's3://' paths are not read\. Copy the files"):
        files_of(tmp_path, path="s3://bucket/a.csv")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "^", ":", " "])
def test_any_character_can_stand_between_fields(tmp_path: Path, delimiter: str) -> None:
    write(tmp_path, a__csv=f'a{delimiter}b\n"x{delimiter}\ny"{delimiter}"1"\n')
    assert read(tmp_path, path="a.csv", delimiter=delimiter)[0] == [{"a": f"x{delimiter}\ny", "b": "1"}]


def test_a_table_without_a_header_takes_its_columns_from_the_config(tmp_path: Path) -> None:
    write(tmp_path, a__tsv="\nham\thello\nspam\n\nspam\tbuy\n", b__csv='"x\ny",1\nz\n')
    assert read(tmp_path, path="a.tsv", columns=["label", "text"])[:2] == (
        [{"label": "ham", "text": "hello"}, {"label": "spam", "text": "buy"}],
        [(3, "ragged")],
    )
    assert read(tmp_path, path="b.csv", columns=["a", "b"])[:2] == ([{"a": "x\ny", "b": "1"}], [(3, "ragged")])
    with pytest.raises(UserError, match=r"a\.tsv:2: 'columns' names 1 columns where the first line has 2 fields"):
        read(tmp_path, path="a.tsv", columns=["label"])


def test_a_first_line_that_looks_like_a_row_is_one(tmp_path: Path) -> None:
    balanced = "".join(f"{'good' if number % 2 else 'bad'}\t{number}\n" for number in range(12))
    for content in ("title\tone\ntitle\ttwo\ntitle\tthree\n", balanced, f"k\t{'long ' * 50}\nl\tshort\n"):
        write(tmp_path, a__tsv=content)
        rows, _, notices = read(tmp_path, path="a.tsv")
        assert len(rows) == content.count("\n")
        assert list(rows[0]) == ["column_1", "column_2"]
        assert "the first line of 'a.tsv' looks like a row, not a header" in notices[0]
        named, _, none = read(tmp_path, path="a.tsv", format="tsv")
        assert len(named) == len(rows) - 1
        assert not none
    write(tmp_path, a__tsv="kind\ttext\na\tx\nkind\ty\na\tz\n")
    assert list(read(tmp_path, path="a.tsv")[0][0]) == ["kind", "text"]


def test_a_large_table_is_read_in_batches_that_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prep.sources.containers.delimited._BATCH_ROWS", 3)
    monkeypatch.setattr("prep.sources.containers.delimited._BATCH_LINES", 7)
    lines = [f'"{index}\n",x' if index % 5 else ('"broken" y,x' if index % 2 else "a,b,c") for index in range(50)]
    write(tmp_path, a__csv="n,c\n" + "\n".join(lines) + "\n")
    rows, rejected, _ = read(tmp_path, path="a.csv")
    assert [row["n"] for row in rows] == [f"{index}\n" for index in range(50) if index % 5]
    assert [reason for _, reason in rejected] == ["ragged", "bad_quotes"] * 5
    numbers = [2 + index + sum(1 for other in range(index) if other % 5) for index in range(0, 50, 5)]
    assert [line for line, _ in rejected] == numbers
    assert max(batch.frame.height for batch in iter_rows(files_of(tmp_path, path="a.csv"))) == 3
    good = read_rows(files_of(tmp_path, path="a.csv")).frame[LINE].to_list()
    assert good == [2 + index + sum(1 for other in range(index) if other % 5) for index in range(50) if index % 5]


TEXT = "one\ntwo\n\n \nthree\n\n\n"


@pytest.mark.parametrize(
    ("unit", "texts"), [("line", ["one", "two", "three"]), ("paragraph", ["one\ntwo", "three"]), ("file", ["one\ntwo\n\n \nthree"])]
)
def test_a_row_of_a_text_is_a_line_a_paragraph_or_the_file(tmp_path: Path, unit: str, texts: list[str]) -> None:
    write(tmp_path, a__txt=TEXT)
    assert [row["text"] for row in read(tmp_path, path="a.txt", unit=unit)[0]] == texts


def test_a_line_that_cannot_be_read_rejects_its_paragraph(tmp_path: Path) -> None:
    write(tmp_path, a__txt=b"one\nCaf\xe9\ntwo\n\nthree\n")
    files = files_of(tmp_path, path="a.txt", unit="paragraph")
    rows = read_rows(files)
    assert rows.frame.select(LINE, "text").rows() == [(5, "three")]
    assert [(row.line, row.reason) for _, row in rows.rejected] == [(2, "bad_encoding")]
    assert read(tmp_path, path="a.txt", unit="file")[:2] == ([], [(2, "bad_encoding")])


def test_a_caption_file_is_one_row_with_turns(tmp_path: Path) -> None:
    write(tmp_path, a__vtt="WEBVTT\n\n00:00.000 --> 00:01.000\n<v A>Hi", b__srt="1\n00:00:01,000 --> 00:00:02,000\nB: Ho\n")
    for name, speaker, text in (("a.vtt", "A", "Hi"), ("b.srt", "B", "Ho")):
        rows, _, _ = read(tmp_path, path=name)
        turns = json.loads(rows[0]["turns"] or "")
        assert [(turn["speaker"], turn["text"]) for turn in turns] == [(speaker, text)]
        roled, _, _ = read(tmp_path, path=name, turns={"roles": {speaker: "user"}, "into": "talk"})
        assert json.loads(roled[0]["talk"] or "")[0]["role"] == "user"
        assert "turns" not in roled[0]


def test_a_transcript_column_becomes_turns_and_changes_no_id(tmp_path: Path) -> None:
    write(tmp_path, a__jsonl='{"said": "A: x\\nB: y"}\n{"said": "nobody"}\n{"said": null}\n')
    plain, turned = (read_rows(files_of(tmp_path, path="a.jsonl", **more)) for more in ({}, {"turns": {"field": "said"}}))
    assert turned.frame["#row_id"][0] == plain.frame["#row_id"][0]
    assert [(row.line, row.reason) for _, row in turned.rejected] == [(2, "bad_turns"), (3, "bad_turns")]
    with pytest.raises(UserError, match=r"'a\.jsonl' has no column 'text'"):
        read(tmp_path, path="a.jsonl", turns={})


ROWS = {"text": ["good", "bad", None], "label": [1, 0, 1], "turns": [[{"role": "user", "content": "é"}], [], None]}


def a_dataset() -> Any:
    features = datasets.Features(
        {
            "text": datasets.Value("string"),
            "label": datasets.ClassLabel(names=["negative", "positive"]),
            "turns": [{"role": datasets.Value("string"), "content": datasets.Value("string")}],
        }
    )
    return datasets.Dataset.from_dict(ROWS, features=features)


def test_a_folder_that_datasets_saved_is_read_in_its_order(tmp_path: Path) -> None:
    a_dataset().save_to_disk(tmp_path / "saved", num_shards=2)
    datasets.DatasetDict({"train": a_dataset(), "test": a_dataset()}).save_to_disk(tmp_path / "dict")
    rows, rejected, _ = read(tmp_path, path="saved")
    assert rows == [
        {"text": "good", "label": "positive", "turns": '[{"role":"user","content":"é"}]'},
        {"text": "bad", "label": "negative", "turns": "[]"},
        {"text": None, "label": "positive", "turns": None},
    ]
    assert not rejected
    assert [row["text"] for row in read(tmp_path, path="dict")[0]] == ["good", "bad", None] * 2
    assert len(read(tmp_path, path="dict/test")[0]) == 3


def test_a_saved_selection_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text(
        json.dumps({"_indices_data_files": [{"filename": "i.arrow"}], "_data_files": []}), encoding="utf-8"
    )
    with pytest.raises(UserError, match=r"a selection of rows .* Save it again after 'flatten_indices\(\)'"):
        files_of(tmp_path, path=".")
    (tmp_path / "state.json").write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match="not a readable description of a dataset"):
        files_of(tmp_path, path=".")


def test_a_clone_of_a_hub_dataset_is_read_from_its_files(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    write(tmp_path, README__md="# a card", dataset_infos__json="{}")
    pl.DataFrame(ROWS).write_parquet(tmp_path / "data" / "train-00000-of-00001.parquet")
    assert [file.shown for file in files_of(tmp_path, path="data")] == ["data/train-00000-of-00001.parquet"]
    assert [row["label"] for row in read(tmp_path, path="data")[0]] == ["1", "0", "1"]


@pytest.mark.parametrize(
    ("address", "asked", "num_rows"),
    [
        ("hf://me/data:train", ("me/data", None, "train"), 3),
        ("hf://me/data/en:train", ("me/data", "en", "train"), 3),
        ("hf://me/data", ("me/data", None, None), 6),
    ],
)
def test_a_name_on_the_hub_is_read_from_what_datasets_keeps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, asked: tuple[str, ...], num_rows: int
) -> None:
    a_dataset().save_to_disk(tmp_path / "cache")
    part = datasets.load_from_disk(str(tmp_path / "cache"))
    calls = []

    def load_dataset(*args: str | None, split: str | None) -> Any:
        calls.append((*args, split))
        return part if split else {"train": part, "test": part}

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    files = files_of(tmp_path, path=address)
    assert calls == [asked]
    assert all(file.shown.startswith(f"{address}/") for file in files)
    assert read_rows(files).frame.height == num_rows


def test_a_name_on_the_hub_that_cannot_be_had_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load_dataset(*_: object, **__: object) -> None:
        raise ConnectionError("no route\nand more")

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    with pytest.raises(
        UserError, match=r"sources\.0\.path: cannot load 'hf://me/data': ConnectionError: no route\. Check the name and the network"
    ):
        files_of(tmp_path, path="hf://me/data")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UserError, match="needs the 'train' extra"):
        files_of(tmp_path, path="hf://me/data")
    for address in ("hf://", "hf://data", "hf://me/data:train[:10]"):
        with pytest.raises(UserError, match="names no dataset"):
            files_of(tmp_path, path=address)


def test_what_is_no_arrow_file_is_refused(tmp_path: Path) -> None:
    write(tmp_path, a__arrow=b"ARROW1 and no more")
    with pytest.raises(UserError, match="not a readable Arrow file"):
        read(tmp_path, path="a.arrow")
