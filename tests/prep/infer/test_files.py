"""First configs of several files, of transcripts, of texts beside codes, and of files that are called as YAML calls something else."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from loopwright.errors import UserError
from prep.build.run import build
from prep.cli.app import app
from prep.config import BuildConfig, load_build_config
from prep.dataset.manifest import Dataset
from prep.infer.config import WrittenConfig, write_config


def table(path: Path, columns: dict[str, Any], number: int, start: int = 0) -> Path:
    """Writes a CSV; each column is a function of the row's number."""
    buffer = io.StringIO()
    csv.writer(buffer).writerows([list(columns), *([make(n) for make in columns.values()] for n in range(start, start + number))])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(buffer.getvalue(), encoding="utf-8")
    return path


def question(n: int) -> str:
    return f"Where is the parcel that I ordered on day {n}?"


def topic(n: int) -> str:
    return ("late", "lost", "broken")[n % 3]


QUESTIONS = {"text": question, "topic": topic}


def built(written: WrittenConfig, out: Path) -> tuple[BuildConfig, Dataset]:
    build(written.path, out)
    return load_build_config(written.path), Dataset.open(out)


NAMES = ["2024", "true", "1_000", "null", "yes", "~", "no", "on", "1e3", "0x1f", "2024-01-01", "#x", "a: b", "a #b", "-", "- x", "it's",
         'say "hi"', "&a", "!t", "%p", "@x", "{a}", ".5", "=", "<<", "12:30", " b "]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_whatever_a_file_a_column_and_a_label_are_called_the_config_builds(tmp_path: Path, name: str) -> None:
    column = f"column {name}" if name.startswith("#") else name  # those are the build's own
    data = table(tmp_path / f"{name}.csv", {column: question, "label": lambda n: "other" if n % 3 else name.strip()}, 24)
    config, dataset = built(write_config(data, tmp_path / "config.yaml"), tmp_path / "out")
    assert dataset.manifest.rows.kept == 24 and config.sources[0].path == data.name
    assert set(dataset.manifest.templates[0].verbalizer) == {name.strip(), "other"}


@pytest.mark.parametrize("column", ["a\u2028b", "a\x07b", "\ufeffa", "a\nb", "a: {b}"])
def test_a_column_of_any_name_stands_in_a_comment(tmp_path: Path, column: str) -> None:
    rows = [{column: question(n), "score": n / 7} for n in range(20)]
    data = tmp_path / "a.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    _, dataset = built(write_config(data), tmp_path / "out")
    assert dataset.manifest.rows.kept == 20


def test_a_language_whose_code_is_a_word_of_yaml_is_a_text(tmp_path: Path) -> None:
    norwegian = lambda n: f"Jeg vet ikke hvor pakken er, og det er dag {n} nå. Hva skal jeg gjøre med dette?"  # noqa: E731
    written = write_config(table(tmp_path / "a.csv", {"text": norwegian}, 40))
    config, _ = built(written, tmp_path / "out")
    assert config.language in {None, "no", "nb", "da"} and all(isinstance(one, str) for one in [config.language or ""])


def test_several_files_are_sources_and_a_test_file_is_the_test_split(tmp_path: Path) -> None:
    a = table(tmp_path / "a.csv", QUESTIONS | {"agent": topic}, 100)
    b = table(tmp_path / "b.csv", QUESTIONS, 60, start=100)
    test = table(tmp_path / "t.csv", QUESTIONS, 30, start=200)
    written = write_config([a, b], test=test)
    config, dataset = built(written, tmp_path / "out")
    assert [(source.path, source.split) for source in config.sources] == [("a.csv", None), ("b.csv", None), ("t.csv", "test")]
    assert dataset.manifest.splits["test"] == 30 and dataset.manifest.rows.kept == 190
    assert set(pl.read_parquet(tmp_path / "out" / "examples.parquet").filter(split="test")["source"]) == {"t.csv"}
    assert (config.split.train, config.split.validation, config.split.test) == (0.9, 0.1, 0.0)
    assert "not used: 'agent', because b.csv has no such column" in written.guesses
    assert "b.csv: format: csv, by the file's ending; 60 rows looked at" in written.guesses


def test_a_label_that_only_the_test_file_has_is_a_label(tmp_path: Path) -> None:
    a = table(tmp_path / "a.csv", QUESTIONS, 60)
    test = table(tmp_path / "t.csv", QUESTIONS | {"topic": lambda n: "theft" if n == 5 else topic(n)}, 30)
    _, dataset = built(write_config(a, test=test), tmp_path / "out")
    assert set(dataset.manifest.templates[0].verbalizer) == {"late", "lost", "broken", "theft"}


def test_files_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    a = table(tmp_path / "a.csv", QUESTIONS, 30)
    other = table(tmp_path / "b.csv", {"body": question}, 30)
    with pytest.raises(UserError, match="the files have no column in common"):
        write_config([a, other])
    with pytest.raises(UserError, match=r"b\.csv: the test file has no column 'text'\. It has body\. Name its columns as in a\.csv"):
        write_config(a, test=other)
    with pytest.raises(UserError, match=r"c\.csv: the file does not exist"):
        write_config([a, tmp_path / "c.csv"])
    assert not (tmp_path / "a.yaml").exists() and not (tmp_path / "a.jinja").exists()


def test_the_command_takes_several_files_and_a_test_file(tmp_path: Path) -> None:
    files = [str(table(tmp_path / f"{name}.csv", QUESTIONS, 40)) for name in ("a", "b", "t")]
    result = CliRunner().invoke(app, ["init", files[0], files[1], "--test", files[2], "--out", str(tmp_path / "c.yaml")])
    assert result.exit_code == 0, result.output
    assert [source.split for source in load_build_config(tmp_path / "c.yaml").sources] == [None, None, "test"]


def breaks(n: int) -> str:
    return f"My phone {n} is off. <BR> Restart it. <BR> It works now."


def marks(n: int) -> str:
    return f"Caller: My phone {n} is off.\nAgent: Restart it.\nCaller: It works now."


def summary(n: int) -> str:
    return f"The phone {n} is on again after a restart."


@pytest.mark.parametrize("transcript", [breaks, marks])
def test_turns_are_made_where_every_transcript_shows_them(tmp_path: Path, transcript: Any) -> None:
    written = write_config(table(tmp_path / "a.csv", {"inputs": transcript, "summary": summary}, 120))
    config, dataset = built(written, tmp_path / "out")
    assert config.sources[0].turns is not None and config.sources[0].turns.field == "inputs"
    assert any(line.startswith("turns: of 'inputs', whose every text shows them by") for line in written.guesses)
    for row in dataset.examples().collect().iter_rows(named=True):
        assert "phone" in row["messages"][-2]["content"] and "<BR>" not in row["messages"][-2]["content"]
        assert row["messages"][-1]["content"].endswith("after a restart.")


def test_the_library_sums_up_calls_where_the_data_is_called_so(tmp_path: Path) -> None:
    written = write_config(table(tmp_path / "calls" / "a.csv", {"inputs": breaks, "summary": summary}, 120))
    config, _ = built(written, tmp_path / "out")
    assert config.templates[0].name == "calls/summary" and config.sources[0].fields == {"turns": "turns", "summary": "summary"}


def test_turns_are_only_offered_where_a_text_shows_none(tmp_path: Path) -> None:
    mixed = {"inputs": lambda n: marks(n) if n else "My phone is off since a day.", "summary": summary}
    written = write_config(table(tmp_path / "a.csv", mixed, 120))
    config, dataset = built(written, tmp_path / "out")
    assert config.sources[0].turns is None and dataset.manifest.rows.kept == 120
    assert "    # turns: {field: inputs}" in written.path.read_text(encoding="utf-8")


def letter(n: int) -> str:
    return f"We are sorry for what happened on day {n} and send another one at once."


@pytest.mark.parametrize(
    ("columns", "answer"),
    [
        ({"complaint": question, "code": topic, "letter": letter}, "letter"),
        ({"body": lambda n: question(n) * 3, "dept": topic, "reply": letter}, "reply"),
        ({"body": lambda n: question(n) * 3, "type": topic, "resolution": letter}, "resolution"),
        ({"body": lambda n: question(n) * 3, "category": topic, "remark": letter}, "category"),
        ({"body": lambda n: question(n) * 3, "dept": topic, "remark": lambda n: f"remark {n % 9} of ours"}, "dept"),
    ],
)
def test_a_text_of_its_own_beside_a_text_is_the_answer_rather_than_a_short_code(
    tmp_path: Path, columns: dict[str, Any], answer: str
) -> None:
    _, dataset = built(write_config(table(tmp_path / "a.csv", columns, 120)), tmp_path / "out")
    made = {columns[answer](n) for n in range(120)}
    assert {row["messages"][-1]["content"] for row in dataset.examples().collect().iter_rows(named=True)} <= made


@pytest.mark.parametrize(
    ("num_rows", "said"),
    [
        (200, None),
        (90, "about 9 of the 90 rows each, too few to measure by; set 'split: {train: 0.5, validation: 0.25, test: 0.25}'"),
        (40, "about 4 of the 40 rows each, too few to measure by; set 'split: {train: 0.5, validation: 0.5, test: 0}', and"),
        (24, "about 2 of the 24 rows each, too few to measure by; set 'split: {train: 1, validation: 0, test: 0}' to train"),
    ],
)
def test_a_split_that_is_too_small_is_said_with_what_to_set(tmp_path: Path, num_rows: int, said: str | None) -> None:
    written = write_config(table(tmp_path / "a.csv", QUESTIONS, num_rows))
    found = [line for line in written.guesses if line.startswith("split: ")]
    assert found == [] if said is None else found[0].startswith(f"split: validation and test would get {said}")
    if said is not None:
        text = written.path.read_text(encoding="utf-8")
        shares = found[0].split("'split: ")[1].split("'")[0]
        changed = text.replace("split: {train: 0.8, validation: 0.1, test: 0.1, seed: 17}", f"split: {shares}")
        assert changed != text
        written.path.write_text(changed, encoding="utf-8")
        splits = built(written, tmp_path / "out")[1].manifest.splits
        assert all(count == 0 or count >= 10 for count in splits.values())


def test_a_test_file_of_few_rows_is_said(tmp_path: Path) -> None:
    written = write_config(table(tmp_path / "a.csv", QUESTIONS, 200), test=table(tmp_path / "t.csv", QUESTIONS, 9))
    assert [line for line in written.guesses if line.startswith("split: ")] == [
        "split: t.csv has 9 rows, too few to measure by; give a --test file of 10 or more"
    ]


NOTE = "The patient is a {} year-old female with a history of hypertension who denies chest pain."


@pytest.mark.parametrize(
    ("text", "profile"),
    [
        (lambda n: NOTE.format(n + 20), "medical"),
        (lambda n: f"患者{n}岁，有高血压病史，诊断为肺炎。", "medical"),
        (lambda n: f"The hospital was near the hotel of day {n}, and breakfast was good.", None),
        (lambda n: f"Day {n}. " + "The town has a square and a church and a market. " * 20 + "Its hospital and clinic are old.", None),
        (question, None),
    ],
)  # fmt: skip
def test_clinical_notes_are_linted_as_such(tmp_path: Path, text: Any, profile: str | None) -> None:
    config, _ = built(write_config(table(tmp_path / "a.csv", {"text": text}, 120)), tmp_path / "out")
    assert config.lint.profile == profile


def test_a_template_of_the_library_is_taken_only_where_its_words_fit(tmp_path: Path) -> None:
    film = lambda n: f"The film of day {n} bored me, though its actors were good."  # noqa: E731
    meal = lambda n: f"The soup of day {n} bored me, though the waiter was good."  # noqa: E731
    for name, review, template in (("films", film, None), ("meals", meal, "reviews/sentiment")):
        data = table(tmp_path / name / "reviews.csv", {"review": review, "sentiment": lambda n: ("positive", "negative")[n % 2]}, 120)
        config, _ = built(write_config(data), tmp_path / name / "out")
        assert config.templates[0].name == template
    requests = table(tmp_path / "shop" / "intents.csv", {"text": question, "intent": lambda n: f"intent_{n}"}, 300)
    _, dataset = built(write_config(requests), tmp_path / "shop" / "out")
    assert not any("bank" in message["content"] for row in dataset.examples().collect()["messages"] for message in row)
