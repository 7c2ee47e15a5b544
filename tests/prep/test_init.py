from pathlib import Path

import pytest

from loopwright.errors import UserError
from prep.build import build
from prep.config import load_build_config
from prep.init import write_config

ROOT = Path(__file__).parents[2]
RAW = ["reviews/reviews.tsv", "calls/calls.jsonl", "medical/notes.csv", "legal/clauses.jsonl", "finance/notes.json", "voice/replies.jsonl"]


def start(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


@pytest.mark.parametrize("raw", RAW)
def test_the_first_config_of_a_sample_file_builds(raw: str, tmp_path: Path) -> None:
    data = start(tmp_path, Path(raw).name, (ROOT / "sample_data" / raw).read_text(encoding="utf-8"))
    written = write_config(data)
    assert written.path == data.with_suffix(".yaml")
    rows = build(written.path, tmp_path / "out").manifest.rows
    assert rows.kept >= 0.9 * rows.read
    text = written.path.read_text(encoding="utf-8")
    assert all(f"#   {guess}" in text for guess in written.guesses)


def test_guesses_name_what_they_are_made_from(tmp_path: Path) -> None:
    lines = ["review_id\tcustomer\tliked\treview", *(f"R{n}\tC{n % 5}\t{n % 2}\tA review of some words, number {n}." for n in range(40))]
    written = write_config(start(tmp_path, "r.tsv", "\n".join(lines)))
    config = load_build_config(written.path)
    [source] = config.sources
    assert (source.fields, source.key, source.group) == ({"text": "review", "label": "liked"}, "review_id", "customer")
    assert any("'liked', because it has only 2 values: 0, 1" in guess for guess in written.guesses)


def test_a_config_elsewhere_points_back_at_the_data(tmp_path: Path) -> None:
    data = start(tmp_path, "a.txt", "one line of text\nanother line of text\n")
    (tmp_path / "configs").mkdir()
    written = write_config(data, tmp_path / "configs" / "mine.yaml")
    assert build(written.path, tmp_path / "out").manifest.rows.kept == 2


@pytest.mark.parametrize("label", ["{{ 7 * 7 }}", "{% raw %}", 'say "hi"', "yes", "#hash", "naïve: ü", "null"])
def test_labels_that_look_like_code_are_words(tmp_path: Path, label: str) -> None:
    import csv
    import io

    buffer = io.StringIO()
    csv.writer(buffer).writerows([("text", "label"), *((f"some words about number {n}", label if n % 2 else "other") for n in range(20))])
    written = write_config(start(tmp_path, "a.csv", buffer.getvalue()))
    build(written.path, tmp_path / "out")
    import polars as pl

    assert set(pl.read_parquet(tmp_path / "out" / "examples.parquet")["choices"][0]) == {label, "other"}


def test_an_empty_label_is_no_class(tmp_path: Path) -> None:
    rows = "".join(f"some words about number {n},{('good', 'bad', '')[n % 3]}\n" for n in range(30))
    written = write_config(start(tmp_path, "a.csv", "text,label\n" + rows))
    assert build(written.path, tmp_path / "out").manifest.templates[0].verbalizer == {"bad": ["bad"], "good": ["good"]}


@pytest.mark.parametrize(
    ("files", "error"),
    [
        ({}, "the file does not exist"),
        ({"a.csv": "text\nx\n", "a.yaml": "mine"}, "the config exists already"),
        ({"a.csv": "text,label\n" + "some long words,x\nother long words,y\n" * 9, "a.jinja": "mine"}, "the template exists already"),
        ({"a.csv": "text,label\n"}, "the file has no row that can be read"),
        ({"a.csv": ""}, "the file is empty"),
    ],
)
def test_nothing_is_overwritten_and_nothing_guessed_from_nothing(tmp_path: Path, files: dict[str, str], error: str) -> None:
    for name, content in files.items():
        start(tmp_path, name, content)
    with pytest.raises(UserError, match=error):
        write_config(tmp_path / "a.csv")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == files


def test_an_unknown_ending_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot tell the format of 'a\.xyz'"):
        write_config(start(tmp_path, "a.xyz", "x"))


def test_a_column_that_is_mostly_blank_is_no_label(tmp_path: Path) -> None:
    lines = ["text;remark", *(f"A review of some words, number {n};{('ok', 'late')[n % 2] if n < 8 else ''}" for n in range(40))]
    written = write_config(start(tmp_path, "a.csv", "\n".join(lines)))
    assert not any("remark" in guess for guess in written.guesses)
    assert build(written.path, tmp_path / "out").manifest.rows.kept == 40
