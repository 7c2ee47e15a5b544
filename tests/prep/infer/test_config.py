import json
from pathlib import Path
from typing import Any

import pytest

from loopwright.errors import UserError
from prep.build.run import build
from prep.config import BuildConfig, load_build_config
from prep.dataset.manifest import Dataset, RowAccounting
from prep.infer.config import write_config

ROOT = Path(__file__).parents[3]
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
    lines = [
        "review_id\tcustomer\tliked\treview",
        *(f"R{n}\tC{n % 5}\t{n % 2}\tThis is a review of the soup, number {n}." for n in range(40)),
    ]
    written = write_config(start(tmp_path, "r.tsv", "\n".join(lines)))
    config = load_build_config(written.path)
    [source] = config.sources
    assert (source.fields, source.key, source.group) == ({"text": "review", "label": "liked"}, "review_id", "customer")
    assert config.templates[0].name == "reviews/sentiment" and config.labels == {"0": "negative", "1": "positive"}
    assert "label: 'liked', because it has only 2 values over 40 rows and its name says so: 0, 1" in written.guesses
    assert "labels: 0 is negative, 1 is positive, by the column's name; swap 0 and 1 if this is wrong" in written.guesses
    assert "language: en, by the script and the commonest words of 100% of the texts that show one" in written.guesses


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


def rows(number: int, **columns: Any) -> str:
    """JSON Lines; a column that is a function is called with the row's number."""
    made = ({name: value(index) if callable(value) else value for name, value in columns.items()} for index in range(number))
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in made)


def guess(folder: Path, content: str, name: str = "data.jsonl") -> tuple[BuildConfig, list[str], RowAccounting]:
    """The config of a file's first look, its guesses, and what it builds to without an edit."""
    written = write_config(start(folder, name, content))
    config = load_build_config(written.path)
    return config, written.guesses, build(written.path, folder / "out").manifest.rows


def sentence(index: int) -> str:
    return f"The soup that we had on day {index} was not what it was before."


FITTING = [
    ({"review": sentence, "liked": lambda n: n % 2}, "reviews/sentiment", {"text": "review", "label": "liked"}),
    ({"instruction": sentence, "input": "", "output": sentence}, "general/instruct", None),
    ({"messages": lambda n: [{"role": "user", "content": sentence(n)}, {"role": "assistant", "content": "Yes."}]}, "general/chat", None),
    ({"prompt": sentence, "chosen": lambda n: f"Good answer {n}.", "rejected": lambda n: f"Bad answer {n}."}, "preference/turns", None),
    (
        {
            "instruction": sentence,
            "input": "",
            "output": lambda n: f"Good answer {n}.",
            "chosen": lambda n: f"A much better answer {n}.",
            "rejected": lambda n: f"Bad {n}.",
        },
        "preference/turns",
        None,
    ),
    ({"question": sentence, "answer": lambda n: f"It is the answer to {n}."}, "general/worked_answer", None),
    ({"text": sentence, "label": lambda n: ("ham", "spam")[n % 2]}, "general/spam", None),
    ({"clause": sentence, "plain_english": lambda n: f"It was better on day {n}."}, "legal/plain_english", None),
    (
        {"abstract": lambda n: f"本文研究了第{n}个问题的新方法及其应用，并给出了结果。", "title": lambda n: f"第{n}个问题的研究"},
        "general/title_zh",
        None,
    ),
    ({"body": sentence}, "general/text", {"text": "body"}),
]


@pytest.mark.parametrize(("columns", "template", "fields"), FITTING, ids=[one[1] for one in FITTING])
def test_a_template_of_the_library_is_found_by_what_the_columns_are(
    tmp_path: Path, columns: dict[str, Any], template: str, fields: dict[str, str] | None
) -> None:
    config, guesses, accounting = guess(tmp_path, rows(40, **columns))
    assert config.templates[0].name == template and accounting.kept == accounting.read == 40
    assert fields is None or config.sources[0].fields == fields
    assert any(f"template: {template} of the library" in line for line in guesses)


@pytest.mark.parametrize(
    ("num_labels", "num_rows", "is_label"),
    [(5, 400, True), (40, 400, True), (77, 77 * 8, True), (77, 77 * 3, True), (200, 600, True), (201, 603, False), (77, 77 * 2, False)],
)
def test_labels_that_the_library_does_not_know_get_a_template_of_their_own_with_all_of_them(
    tmp_path: Path, num_labels: int, num_rows: int, is_label: bool
) -> None:
    content = rows(num_rows, text=sentence, category=lambda n: f"kind_{n % num_labels}")
    config, guesses, accounting = guess(tmp_path, content)
    assert config.templates[0].path == "data.jinja" and accounting.kept == num_rows
    said = f"label: 'category', because it has only {num_labels} values over {num_rows} rows"
    assert any(line.startswith(said) for line in guesses) == is_label
    [template] = Dataset.open(tmp_path / "out").manifest.templates
    assert template.verbalizer == ({f"kind_{n}": [f"kind_{n}"] for n in range(num_labels)} if is_label else {})
    assert template.metrics == (["accuracy", "macro_f1"] if is_label else ["exact_match"])


def test_a_label_that_is_rarer_than_others_is_kept_and_a_slip_of_the_pen_is_not(tmp_path: Path) -> None:
    uneven = [f"kind_{n % 50}" for n in range(900)] + ["rare"] * 8 + ["kindof_1"]
    _, guesses, _ = guess(tmp_path, rows(len(uneven), text=sentence, category=uneven.__getitem__))
    assert [line for line in guesses if line.startswith("labels:")] == [
        "labels: kindof_1 is rare and left out; map them under 'labels', or their rows are dropped"
    ]


def test_a_file_that_is_sorted_by_label_shows_all_labels(tmp_path: Path) -> None:
    config, _, accounting = guess(tmp_path, rows(4_000, text=sentence, category=lambda n: f"kind_{n // 500}"))
    assert accounting.kept == 4_000 and config.templates[0].path == "data.jinja"


def test_columns_that_no_model_should_see_are_named_with_the_reason(tmp_path: Path) -> None:
    content = rows(
        40,
        text=sentence,
        email=lambda n: f"jo{n}@example.org",
        link=lambda n: f"https://example.org/{n}",
        version="2",
        score=lambda n: n / 7,
        remark=None,
        uid=lambda n: f"a{n}",
    )
    config, guesses, _ = guess(tmp_path, content)
    assert config.sources[0].fields == {"text": "text"} and config.sources[0].key == "uid"
    reasons = {line.split("'")[1]: line.split("because ")[1] for line in guesses if line.startswith("not used")}
    assert reasons == {
        "email": "it looks like personal data",
        "link": "it holds addresses of web pages",
        "version": "it is the same in each row",
        "score": "it holds numbers",
        "remark": "it is blank",
    }


def test_a_table_without_a_header_gets_names_by_what_its_columns_hold(tmp_path: Path) -> None:
    lines = "".join(f"to title\t{sentence(n)} And so it went on, day by day.\tThe soup of day {n}\n" for n in range(60))
    config, guesses, accounting = guess(tmp_path, lines, "data.tsv")
    assert config.sources[0].columns == ("column_1", "text", "title") and accounting.kept == 60
    assert any("named here, because the first line looks like a row" in line for line in guesses)


def test_a_date_offers_a_split_by_time_that_builds(tmp_path: Path) -> None:
    content = rows(60, text=sentence, date=lambda n: f"2024-{1 + n // 28:02}-{1 + n % 28:02}")
    written = write_config(start(tmp_path, "data.jsonl", content))
    text = written.path.read_text(encoding="utf-8")
    offered = next(line for line in text.splitlines() if "by: time" in line)
    assert offered.startswith("# split: {by: time, column: date}")
    written.path.write_text(text.replace("split: {train: 0.8, validation: 0.1, test: 0.1, seed: 17}\n", "").replace("# split:", "split:"))
    assert build(written.path, tmp_path / "out").manifest.rows.kept == 60


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("gb18030", "这家餐厅的汤非常好喝，我们都很喜欢这里的服务"),
        ("latin-1", "La soupe était très bonne et le café aussi"),
        ("cp1252", "The soup was “very” good and the café too"),
    ],
)
def test_an_encoding_is_guessed_and_said(tmp_path: Path, encoding: str, text: str) -> None:
    data = tmp_path / "data.csv"
    data.write_bytes(("text\n" + "".join(f"{text}{n}\n" for n in range(60))).encode(encoding))
    written = write_config(data)
    config = load_build_config(written.path)
    assert config.sources[0].encoding == encoding and build(written.path, tmp_path / "out").manifest.rows.kept == 60
    assert any(f"encoding: {encoding}, because the bytes are not UTF-8" in line for line in written.guesses)


def test_what_fits_too_is_offered_and_a_transcript_too(tmp_path: Path) -> None:
    content = rows(
        30, dialogue=lambda n: f"Doctor: How are you, {n}?\nPatient: I am well.\nDoctor: Good.", summary=lambda n: f"Patient {n} is well."
    )
    written = write_config(start(tmp_path, "data.jsonl", content))
    text = written.path.read_text(encoding="utf-8")
    assert "    turns: {field: dialogue}  # " in text and "# fits too" in text


def test_what_the_file_is_called_tells_its_subject(tmp_path: Path) -> None:
    content = rows(30, text=sentence, reply=lambda n: f"We are sorry about day {n}, please come again.")
    config, _, _ = guess(tmp_path, content, "restaurant_reviews.jsonl")
    assert config.templates[0].name == "reviews/reply"
    (tmp_path / "other").mkdir()
    config, _, _ = guess(tmp_path / "other", content, "data.jsonl")
    assert config.templates[0].name == "general/reply"
