"""How results of two checkouts are held against each other: what counts as a difference, and what does not."""

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

EXAMPLES = pl.DataFrame(
    {"id": ["a", "b"], "row_id": ["a", "b"], "template": ["t", "t"], "kind": ["chat+verbalizer", "chat"], "label": [1, None]}
)
FINDING = {"code": "CON201", "id": "a/t/0", "line": 3, "span": [1, 4], "severity": "error", "message": "old words", "remedy": "mend it"}
MANIFEST = {
    "key": "1",
    "loopwright_version": "0.1",
    "files": {"chat/train.jsonl": "1"},
    "config": {"sources": [{"key": "review_id"}]},
    "templates": [{"name": "t", "kinds": ["chat"]}],
    "splits": {"train": 2},
}


@pytest.fixture(scope="module", autouse=True)
def _on_the_path() -> Iterator[None]:
    """The benchmarks are scripts: what they import lies beside them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "checkouts"]:
        del sys.modules[name]


def _values() -> Any:
    return importlib.import_module("checkouts.values")


def _differences() -> Any:
    return importlib.import_module("checkouts.differences")


def _places(found: Iterator[tuple[str, str, Any, Any, bool]], *, messages: bool = False) -> list[str]:
    return [where for where, _, _, _, is_message in found if is_message == messages]


def _files(tmp_path: Path, name: str, old: str, new: str, *, messages: bool = False) -> list[str]:
    sides = tmp_path / "old", tmp_path / "new"
    for side, text in zip(sides, (old, new), strict=True):
        side.mkdir()
        (side / name).write_text(text, encoding="utf-8")
    found = importlib.import_module("checkouts.files").compare_file(sides[0] / name, sides[1] / name, sides)
    return _places(found, messages=messages)


def test_tables_are_compared_value_by_value() -> None:
    compare = _values().compare_tables
    assert _places(compare(EXAMPLES, EXAMPLES)) == []
    assert _places(compare(EXAMPLES, EXAMPLES.with_columns(label=pl.Series([1, 0])))) == ["row 1 column label"]
    assert _places(compare(EXAMPLES, EXAMPLES.drop("label"))) == ["column label"]
    assert _places(compare(EXAMPLES, EXAMPLES.with_columns(pl.col("label").cast(pl.Float64)))) == ["column label"]
    assert _places(compare(EXAMPLES, EXAMPLES.head(1))) == ["2 -> 1 rows"]
    assert _places(compare(EXAMPLES, EXAMPLES.with_columns(role=pl.lit("base")))) == ["column role"]
    assert _places(compare(EXAMPLES, EXAMPLES.with_columns(role=pl.lit("base")), may_add={"role"})) == []
    assert _places(compare(EXAMPLES, EXAMPLES.select("row_id", "id", "template", "kind", "label"))) == ["columns"]


def test_forms_in_one_text_are_the_same_as_forms_in_a_list() -> None:
    forms = EXAMPLES.with_columns(pl.Series("kind", [["chat", "verbalizer"], ["chat"]])).rename({"kind": "forms"})
    assert _places(_values().compare_tables(EXAMPLES, forms)) == []
    assert _places(_values().compare_tables(EXAMPLES, forms.rename({"forms": "kind"}))) == []
    other = EXAMPLES.with_columns(pl.Series("kind", [["verbalizer"], ["chat"]])).rename({"kind": "forms"})
    assert _places(_values().compare_tables(EXAMPLES, other)) == ["row 0 column forms"]


def test_predictions_of_systems_in_another_order_are_one_difference(tmp_path: Path) -> None:
    sides = tmp_path / "a", tmp_path / "b"
    old = pl.DataFrame({"id": ["1", "2", "1", "2"], "system": ["base", "base", "linear", "linear"], "prediction": ["x", "y", "x", "x"]})
    old.write_parquet(sides[0] / "predictions.parquet")
    old.sort("system", descending=True, maintain_order=True).with_columns(role=pl.lit("base")).write_parquet(
        sides[1] / "predictions.parquet"
    )
    compare_file = importlib.import_module("checkouts.files").compare_file
    found = compare_file(*(side / "predictions.parquet" for side in sides), sides)
    assert _places(found) == ["order of rows"]


def test_losses_are_compared_to_the_last_digit() -> None:
    old = pl.DataFrame({"id": ["a", "b"], "loss": [0.1, float("nan")]})
    assert _places(_values().compare_tables(old, old.clone())) == []
    assert _places(_values().compare_tables(old, old.with_columns(pl.Series("loss", [0.10000000000000002, float("nan")])))) == [
        "row 0 column loss"
    ]


def _report(*findings: dict[str, Any], skipped: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"diagnostics": list(findings), "summary": {}, "skipped": [{"code": code, "reason": f"no {code}"} for code in skipped]}


def test_findings_are_the_same_by_code_place_span_and_severity() -> None:
    compare, old = _values().compare_lint, _report(FINDING)
    other_words = _report({**FINDING, "message": "new words"})
    assert _places(compare(old, other_words)) == []
    assert _places(compare(old, other_words), messages=True) == ["CON201 a/t/0 error span [1, 4] message"]
    for change in ({"severity": "info"}, {"span": [1, 5]}, {"code": "CON202"}, {"id": None}):
        assert len(_places(compare(old, _report({**FINDING, **change})))) == 2, change
    assert _places(compare(old, _report({**FINDING, "score": 0.5}))) == ["CON201 a/t/0 error span [1, 4] score"]
    assert _places(compare(old, _report(FINDING, FINDING))) == ["CON201 a/t/0 error span [1, 4]"]
    assert _places(compare(old, _report(FINDING, skipped=("LEN601",)))) == ["skipped LEN601"]
    late = {**FINDING, "id": "b/t/0"}
    assert _places(compare(_report(FINDING, late), _report(late, FINDING))) == ["diagnostics[0]"]


def test_a_manifest_is_the_same_but_for_hashes(tmp_path: Path) -> None:
    new = {
        **MANIFEST,
        "key": "2",
        "loopwright_version": "0.2",
        "files": {"chat/train.jsonl": "2"},
        "templates": [{"name": "t", "forms": ["chat"]}],
    }
    assert _files(tmp_path, "manifest.json", json.dumps(MANIFEST), json.dumps(new)) == []


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"splits": {"train": 3}}, "splits.train"),
        ({"files": {"chat/test.jsonl": "1"}}, "files[0]"),
        ({"config": {"sources": [{"key": "id"}]}}, "config.sources[0].key"),
        ({"templates": [{"name": "t", "forms": ["completion"]}]}, "templates[0].forms[0]"),
        ({"plugins": []}, "plugins"),
    ],
)
def test_a_manifest_differs_in_what_it_says_of_the_data(tmp_path: Path, change: dict[str, Any], where: str) -> None:
    assert _files(tmp_path, "manifest.json", json.dumps(MANIFEST), json.dumps({**MANIFEST, **change})) == [where]


def test_lines_differ_by_a_byte_and_drafts_by_what_they_do(tmp_path: Path) -> None:
    assert _files(tmp_path / "a", "train.jsonl", '{"a":1}\n', '{"a": 1}\n') == ["line 1"]
    assert _files(tmp_path / "b", "train.jsonl", '{"a":1}\n', '{"a":2}\n') == ["line 1 a"]
    old, reworded, other = (
        json.dumps({"op": "drop", "reason": reason, "safe": safe}) for reason, safe in (("x", True), ("y", True), ("x", False))
    )
    assert _files(tmp_path / "c", "drafts.jsonl", old, reworded) == []
    assert _files(tmp_path / "d", "drafts.jsonl", old, other) == ["line 1 safe"]
    assert _files(tmp_path / "e", "dropped.jsonl", '{"reason":"a","detail":"x"}\n', '{"reason":"b","detail":"y"}\n') == ["line 1 reason"]


@pytest.fixture(autouse=True)
def _sub_folders(tmp_path: Path) -> None:
    for name in "abcde":
        (tmp_path / name).mkdir()


def test_an_evaluation_may_say_more_and_nothing_else(tmp_path: Path) -> None:
    old = {"verdict": "old words", "seconds": 1.0, "pairs": [{"p": 0.5}]}
    more = {"verdict": "new words", "seconds": 2.0, "pairs": [{"p": 0.5, "role": "base"}], "roles": {}}
    assert _files(tmp_path / "a", "report.json", json.dumps(old), json.dumps(more)) == []
    assert _files(tmp_path / "b", "report.json", json.dumps(old), json.dumps({**old, "pairs": [{"p": 0.25}]})) == ["pairs[0].p"]
    assert _files(tmp_path / "c", "report.json", json.dumps(old), json.dumps({**old, "pairs": []})) == ["pairs[1 -> 0]"]
    assert _files(tmp_path / "d", "run.json", json.dumps(old), json.dumps(more)) == ["pairs[0].role", "roles"]


def test_known_changes_are_counted_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    differences = _differences()
    found = [
        differences.Difference("lint", "sample-reviews/built.stdout.lint.json", f"CON201 {place} error", 1, 2, "CON201")
        for place in ("a", "b")
    ]
    words = differences.Difference(
        "lint", "sample-reviews/built.stdout.lint.json", "CON201 a error message", "x", "y", "CON201 message", True
    )
    assert differences.report([words], []) == 0
    assert differences.report([*found, words], []) == 2
    path = tmp_path / "known.yaml"
    path.write_text("- {area: lint, match: CON201 a, why: it was wrong}\n", encoding="utf-8")
    assert differences.report([*found, words], differences.load_known(path)) == 1
    path.write_text("- {area: '*', match: '*/built.stdout.lint.json CON201 *', why: it was wrong}\n", encoding="utf-8")
    capsys.readouterr()
    assert differences.report([*found, words], differences.load_known(path)) == 0
    assert "it was wrong" in capsys.readouterr().out
    path.write_text("- {area: train, match: CON201, why: it was wrong}\n", encoding="utf-8")
    assert differences.report(found, differences.load_known(path)) == 2
    path.write_text("- {area: lint, match: CON201}\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="area, match and why"):
        differences.load_known(path)
    assert differences.load_known(BENCHMARKS / "known_changes.yaml") is not None


def test_the_head_of_a_table_ends_with_a_whole_row() -> None:
    head = importlib.import_module("checkouts.inputs").head
    table = b'a,b\n1,"two\nlines"\n3,4\n'
    assert head(table, ".csv", 2) == b'a,b\n1,"two\nlines"\n'
    assert head(table, ".tsv", 2) == b'a,b\n1,"two\n'
    assert head(table, ".json", 2) == table
