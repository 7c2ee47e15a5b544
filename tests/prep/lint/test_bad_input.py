"""Input that nobody should have made: an answer or a clear error, never a traceback, and no row lost on the way."""

import contextlib
import json
import os
import random
import resource
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from loopwright.errors import UserError
from prep.cli.app import app
from prep.lint.cache import cached_lint
from prep.lint.frame.examples import load_files
from prep.lint.frame.foreign import FileReading
from prep.lint.run import LintOptions, LintReport, lint
from prep.pii import find_pii, find_secrets
from tests.helpers import review, write_dataset

SEATS = ("window", "bar", "garden", "stove", "corner", "stairs", "piano", "kitchen", "door", "cellar")


def reviews(num_rows: int = 40) -> list[tuple[str, str]]:
    chooser = random.Random(3)
    places = ["-".join(chooser.sample(SEATS, 4)) + f" {number}" for number in range(num_rows)]
    return [(f"Our seats: {place}. The bread was fresh.", chooser.choice(["good", "bad"])) for place in places]


def write_lines(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), encoding="utf-8")
    return path


def codes(report: LintReport) -> set[tuple[str, int | None]]:
    return {(one.code, one.line) for one in report.diagnostics}


def test_all_rows_of_an_array_that_stands_on_one_line_are_read(tmp_path: Path) -> None:
    rows = [{"prompt": text, "completion": label} for text, label in reviews()]
    path = tmp_path / "train.json"
    path.write_text(json.dumps([*rows, {"prompt": "Shut?", "completion": ""}, rows[0]]), encoding="utf-8")
    report = lint(path)
    assert report.num_examples == 42
    assert codes(report) == {("DUP301", 1), ("LEN603", 1)}


@pytest.mark.parametrize("kind", ["parquet", "csv"])
@pytest.mark.parametrize("text", ["^text.*$", "*"])
def test_columns_that_are_called_like_patterns_are_read(tmp_path: Path, text: str, kind: str) -> None:
    frame = pl.DataFrame(reviews(), schema=[text, "label"], orient="row")
    path = tmp_path / f"train.{kind}"
    frame.write_parquet(path) if kind == "parquet" else frame.write_csv(path)
    lines = write_lines(tmp_path / "train.jsonl", [{"Review": "x", text: one, "label": label} for one, label in reviews()])
    assert lint(path).num_examples == lint(lines).num_examples == 40


def test_an_answer_that_a_table_leaves_out_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    rows = [(text, None if number % 10 == 0 else label) for number, (text, label) in enumerate(reviews(60))]
    pl.DataFrame(rows, schema=["text", "label"], orient="row").write_parquet(path)
    assert {one for one in codes(lint(path)) if one[0] == "LEN603"} == {("LEN603", line) for line in range(1, 61, 10)}


def test_a_table_may_mix_shapes_of_rows(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    pairs = [{"prompt": text, "completion": label} for text, label in reviews()]
    texts = [{"text": text} for text, _ in reviews(60)[40:]]
    preferences = [{"prompt": text, "chosen": "Yes, it was.", "rejected": "No."} for text, _ in reviews(80)[60:]]
    pl.DataFrame([*pairs, *texts, *preferences], infer_schema_length=None).write_parquet(path)
    report = lint(path)
    assert report.num_examples == 80
    assert not {code for code, _ in codes(report)} & {"FMT001", "FMT002", "LEN603"}


@pytest.mark.parametrize("open_it", [lint, lambda path: cached_lint(path, options=LintOptions())])
@pytest.mark.parametrize("path", ["/dev/zero", "pipe", "x" * 5000])
def test_what_has_no_end_is_refused(tmp_path: Path, path: str, open_it: Any) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match=r"pipe or a device|too long"):
        open_it(tmp_path / path)


def test_a_table_without_rows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text("text,label\n", encoding="utf-8")
    with pytest.raises(UserError, match="no rows"):
        lint(path)


CHAT = [{"role": "user", "content": "How warm is it?"}, {"role": "assistant", "content": None}]
WRONG = pl.lit("wrong")
DAMAGE = {
    "a row has no 'split'": pl.lit(None, pl.String).alias("split"),
    "a row has no 'id'": pl.lit(None, pl.String).alias("id"),
    "the template 'wrong', which the manifest does not list": WRONG.alias("template"),
    "the 'extras' of a row": WRONG.alias("extras"),
    "'extras' of a row": pl.lit('{"messages": [{"weight": 1}]}').alias("extras"),
    "the 'extras' of a row are not": pl.lit('{"messages": [null, {"tool_calls": [1]}]}').alias("extras"),
    "damaged or of another version": pl.lit(1).alias("text"),
}


@pytest.mark.parametrize("cause", DAMAGE)
def test_a_damaged_dataset_is_refused_by_what_is_wrong(tmp_path: Path, cause: str) -> None:
    path = write_dataset(tmp_path / "[out]", [review("The soup was cold.", 0), {"messages": CHAT}])
    assert lint(path).num_examples == 2
    frame = pl.read_parquet(path / "examples.parquet", glob=False)
    frame.with_columns(DAMAGE[cause]).write_parquet(path / "examples.parquet")
    with pytest.raises(UserError, match=cause):
        lint(path)


def test_a_dataset_whose_bytes_were_changed_is_refused(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "out", [review(f"The soup of day {number} was cold.", 0) for number in range(200)])
    data = (path / "examples.parquet").read_bytes()
    chooser = random.Random(8)
    for _ in range(30):
        place = chooser.randrange(len(data) - 40)
        (path / "examples.parquet").write_bytes(data[:place] + chooser.randbytes(40) + data[place + 40 :])
        with contextlib.suppress(UserError):
            assert lint(path, options=LintOptions(select=("FMT",))).num_examples == 200


def test_what_the_build_says_of_dropped_rows_may_be_damaged(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "out", [review("The soup was cold.", 0)])
    (path / "dropped.jsonl").write_text('{"reason": 5, "line": "x", "id": [1], "detail": {}, "source": 1}\n', encoding="utf-8")
    assert codes(lint(path)) == {("FMT001", None)}


@pytest.mark.parametrize("value", [-5.0, 0.0, 1.1, float("nan"), float("inf")])
def test_a_similarity_that_none_can_be_is_refused(tmp_path: Path, value: float) -> None:
    path = write_lines(tmp_path / "train.jsonl", [{"text": "The soup was cold."}])
    with pytest.raises(UserError, match="threshold"):
        lint(path, options=LintOptions(thresholds={"DUP302.similarity": value}))


@pytest.mark.parametrize("text", ["[" * 100_000, "x", "[]", '{"diagnostics": [{"code": 1}]}'])
def test_a_baseline_that_is_no_report_is_refused(tmp_path: Path, text: str) -> None:
    path = write_lines(tmp_path / "train.jsonl", [{"text": "The soup was cold."}])
    (tmp_path / "baseline.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"baseline\.json: (not valid JSON|the baseline is not a lint report)"):
        lint(path, options=LintOptions(baseline=tmp_path / "baseline.json", select=("FMT001",)))


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "train.jsonl", [{"prompt": f"Table {number}", "completion": "good"} for number in range(2000)])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(UserError, match=r"cannot.*(?i:too large)"):
            lint(path, options=LintOptions(select=("FMT001",)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


SCORES = {
    "id": pl.String(),
    "choices": pl.List(pl.String()),
    "label": pl.Int32(),
    "probabilities": pl.List(pl.Float32()),
    "loss": pl.Float32(),
    "num_tokens": pl.Int32(),
    "hidden": pl.Array(pl.Float32(), 4),
}
LEDGER = {"id": pl.String(), "epoch": pl.Int32(), "loss": pl.Float32(), "margin": pl.Float32(), "correct": pl.Boolean()}


def write_table(path: Path, ids: list[str], schema: dict[str, Any], **columns: Any) -> Path:
    values = {"choices": ["good", "bad"], "label": 0, "probabilities": [0.9, 0.1], "hidden": [0.1, 0.2, 0.3, 0.4], "correct": True}
    rows = [{**{name: values.get(name, 1) for name in schema}, **columns, "id": one} for one in ids]
    pl.DataFrame(rows, schema=schema).write_parquet(path)
    return path


@pytest.mark.parametrize(
    ("name", "kind"),
    [("label", pl.String()), ("loss", pl.String()), ("hidden", pl.List(pl.Float32())), ("hidden", pl.Array(pl.Float32(), 0))],
)
def test_model_scores_of_another_type_are_refused(tmp_path: Path, name: str, kind: Any) -> None:
    path = write_lines(tmp_path / "train.jsonl", [{"text": "The soup was cold."}])
    scores = write_table(tmp_path / "scores.parquet", ["a"], {**SCORES, name: kind}, **{name: None})
    with pytest.raises(UserError, match=rf"scores\.parquet: the column '{name}' .* has the type"):
        lint(path, options=LintOptions(model_scores=scores))


@pytest.mark.parametrize("name", ["id", "loss", "correct"])
def test_a_training_ledger_of_another_type_is_refused(tmp_path: Path, name: str) -> None:
    path = write_lines(tmp_path / "train.jsonl", [{"text": "The soup was cold."}])
    ledger = write_table(tmp_path / "ledger.parquet", [], {**LEDGER, name: pl.List(pl.String())})
    with pytest.raises(UserError, match=rf"ledger\.parquet: the column '{name}' .* has the type"):
        lint(path, options=LintOptions(training_ledger=ledger))


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), None])
def test_vectors_and_probabilities_that_are_not_finite_count_as_not_there(tmp_path: Path, wrong: float | None) -> None:
    rows = [review(text, index % 2, row_id=f"r{index}") for index, (text, _) in enumerate(reviews(400))]
    path = write_dataset(tmp_path / "out", rows)
    ids = pl.read_parquet(path / "examples.parquet")["id"].to_list()
    scores = write_table(tmp_path / "scores.parquet", ids, SCORES, probabilities=[wrong] * 2, hidden=[0.1, 0.2, 0.3, wrong])
    select = ("LBL801", "DUP303")
    without = lint(path, options=LintOptions(select=select))
    assert codes(lint(path, options=LintOptions(select=select, model_scores=scores))) == codes(without)


def test_damage_within_the_model_scores_is_said_of_them(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "train.jsonl", [{"text": "The soup was cold."}])
    scores = write_table(tmp_path / "scores.parquet", [f"row {number}" for number in range(500)], SCORES)
    data = scores.read_bytes()
    scores.write_bytes(data[:40] + b"\xff" * 50 + data[90:])
    with pytest.raises(UserError, match=r"scores\.parquet: the file of model scores cannot be read"):
        lint(path, options=LintOptions(model_scores=scores))


@pytest.mark.parametrize("option", ["--out", "--scores"])
def test_where_nothing_can_be_written_is_said_before_the_work(tmp_path: Path, option: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    done = CliRunner().invoke(app, ["lint", str(tmp_path / "missing.jsonl"), option, str(tmp_path / "pipe")])
    assert "it is a pipe or a device" in str(done.exception)


def test_a_text_full_of_identifiers_is_read_until_enough_are_listed(tmp_path: Path) -> None:
    number = iter(range(1000, 9999))
    text = " ".join(f"My SSN is 123-45-{next(number)}, the key is sk-proj-{next(number)}aB3dE5fG7hI9jK1lM." for _ in range(2500))
    path = write_lines(tmp_path / "train.jsonl", [{"prompt": "Who?", "completion": text}])
    report = lint(path, options=LintOptions(select=("PII501", "PII503")))
    for code, found in (("PII501", find_pii(text)), ("PII503", find_secrets(text))):
        assert len(found) == 2500
        spans = [one.span for one in report.diagnostics if one.code == code]
        assert spans == [(one.start, one.end) for one in found[:100]]


@pytest.mark.parametrize("name", ["train.jsonl", "train.json", "train.csv", "train"])
@pytest.mark.parametrize(("encoding", "told"), [("utf-16", "utf-8"), ("utf-32", "utf-8"), ("utf-16-be", "utf-16-be"), ("cp1252", "cp1252")])
def test_a_file_of_another_encoding_is_read_by_its_mark_or_as_it_is_told(tmp_path: Path, encoding: str, told: str, name: str) -> None:
    path = tmp_path / name
    line = '{"prompt": "Was it “good”?", "completion": "Yes."}'
    text = {".csv": "prompt,completion\nWas it “good”?,Yes.\n", ".json": f"[{line}]"}.get(path.suffix, f"{line}\n")
    path.write_bytes(text.encode(encoding))
    with tempfile.TemporaryDirectory() as folder:
        data = load_files([(path, "train")], Path(folder), reading=FileReading(encoding=told))
        assert data.frame.select("input", "answer").collect().rows() == [("Was it “good”?", "Yes.")]
        assert not data.defects
    assert lint(path, test=path, options=LintOptions(encoding=told)).num_examples == 2


def test_what_an_instruction_is_about_belongs_to_the_input(tmp_path: Path) -> None:
    rows = [{"instruction": "When was it built?", "context": "", "response": "In 1888, I think."}]
    rows += [{"instruction": "Say when.", "context": f"Built by nun {name}.", "response": ""} for name in "AB"]
    report = lint(write_lines(tmp_path / "train.jsonl", rows), options=LintOptions(select=("LEN603", "DUP301", "CON201")))
    assert codes(report) == {("LEN603", 2), ("LEN603", 3)}
    with tempfile.TemporaryDirectory() as folder:
        frame = (
            load_files([(tmp_path / "train.jsonl", "train")], Path(folder)).frame.sort("position").select("input", "input_field").collect()
        )
    assert frame.rows() == [("When was it built?", "instruction"), ("Built by nun A.", "context"), ("Built by nun B.", "context")]


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "csv"])
def test_a_column_called_as_line_numbers_are_elsewhere_is_read(tmp_path: Path, kind: str) -> None:
    frame = pl.DataFrame([(text, f"Row {number}.") for number, (text, _) in enumerate(reviews())], schema=["#line", "answer"], orient="row")
    path = tmp_path / f"train.{kind}"
    writers: dict[str, Callable[[Path], object]] = {"jsonl": frame.write_ndjson, "parquet": frame.write_parquet, "csv": frame.write_csv}
    writers[kind](path)
    with tempfile.TemporaryDirectory() as folder:
        read = load_files([(path, "train")], Path(folder)).frame.sort("position").collect()
    assert read["input"].to_list() == frame["#line"].to_list()
