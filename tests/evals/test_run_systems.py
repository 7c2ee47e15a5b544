"""Which systems an evaluation has, in which form, and how they are paired."""

import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner
from typing_extensions import override

from evals.cli import app
from evals.data.prediction import Prediction, PredictionState
from evals.data.role import Role
from evals.data.rows import Task
from evals.data.saved import read_predictions
from evals.run import evaluate_dataset
from evals.systems.base import SYSTEMS, EvalContext, System
from evals.systems.constant import Constant
from evals.systems.spec import SystemForm
from loopwright.errors import UserError
from loopwright.files import read_json_lines
from loopwright.progress import Advance
from tests.evals.conftest import make_run, options


def test_the_verbalizer_form_is_the_default_without_an_adapter(tmp_path: Path, reviews: Path, tiny_model_dir: Path) -> None:
    raw = evaluate_dataset(reviews, tmp_path / "raw", options(model=str(tiny_model_dir), systems=("base",)))
    chat = evaluate_dataset(reviews, tmp_path / "chat", options(model=str(tiny_model_dir), systems=("base",), form="chat"))
    assert (raw.form, chat.form) == ("verbalizer", "chat")
    tables = [pl.read_parquet(tmp_path / name / "predictions.parquet")["choice_loglikelihoods"].to_list() for name in ("raw", "chat")]
    assert tables[0] != tables[1]
    assert raw.verdict.startswith("cannot tell: there is one system only")


def test_an_evaluation_in_which_every_baseline_fails_says_why(tmp_path: Path, reviews: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Constant, context: EvalContext, advance: Advance) -> list[Prediction]:
        advance(len(context.rows))
        return [Prediction(row.id, PredictionState.ERROR, detail="there is no label") for row in context.rows]

    monkeypatch.setattr(Constant, "answer", fail)
    with pytest.raises(UserError, match=r"no system answered any example.*constant is left out: there is no label"):
        evaluate_dataset(reviews, tmp_path / "out", options(systems=("constant",)))


class Oracle(System):
    """Always right, and of the role that has no part in the verdict."""

    name = "oracle"
    forms = (SystemForm("oracle", Role.OTHER, "knows the answer"),)
    tasks = frozenset({Task.CLASSIFICATION})

    @override
    def answer(self, context: EvalContext, advance: Advance) -> list[Prediction]:
        return [Prediction(row.id, PredictionState.OK, row.reference) for row in context.rows_of(Task.CLASSIFICATION)]


def test_another_system_is_shown_and_paired_and_not_in_the_verdict(
    tmp_path: Path, reviews: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SYSTEMS.entries, "oracle", Oracle)
    given = options(model=str(tiny_model_dir), systems=("oracle", "base", "constant"))
    report = evaluate_dataset(reviews, tmp_path / "out", given)
    assert report.systems["oracle"].metrics["accuracy"].value == 1.0
    assert [(pair.a, pair.b) for pair in report.pairs if pair.metric == "accuracy"] == [("base", "constant"), ("base", "oracle")]
    assert (report.verdict_detail.a, report.verdict_detail.b) == ("base", "constant")
    assert set(pl.read_parquet(tmp_path / "out" / "predictions.parquet").filter(role="other")["system"]) == {"oracle"}
    assert '<g class="other">' in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert {failure["system"] for failure in read_json_lines(tmp_path / "out" / "failures.jsonl")} == {"base"}


def test_a_run_may_have_a_path_that_looks_like_two_systems(tmp_path: Path, reviews: Path, tiny_model_dir: Path) -> None:
    run = make_run(tmp_path / "a, b+rag:4 #1", tiny_model_dir)
    arguments = ["run", str(reviews), "--systems", f'base,"adapter:{run}"', "--limit", "4", "--dtype", "float32", "--json"]
    result = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert list(report["systems"]) == ["base", f'"adapter:{run}"'] and report["adapter"] == str(run)
    assert set(pl.read_parquet(tmp_path / "out" / "predictions.parquet").filter(role="tuned")["system"]) == {f'"adapter:{run}"'}


def test_predictions_of_before_roles_are_read_with_them(tmp_path: Path) -> None:
    earlier = Path(__file__).parents[1] / "cases" / "rounds" / "without_roles" / "evals" / "predictions.parquet"
    assert "role" not in pl.read_parquet_schema(earlier)
    read = read_predictions(earlier)
    assert read.drop("role", "seed", "parts", "tool_state").equals(pl.read_parquet(earlier))
    assert read.select("seed", "parts", "tool_state").null_count().row(0) == (read.height,) * 3
    assert set(read.select("system", "role").unique().rows()) == {
        ("base", "base"), ("adapter:rounds/round-001/run", "tuned"), ("constant", "baseline"), ("linear", "baseline"),
    }  # fmt: skip
    pl.read_parquet(earlier).with_columns(system=pl.lit("mine")).write_parquet(tmp_path / "odd.parquet")
    with pytest.raises(UserError, match="Evaluate again"):
        read_predictions(tmp_path / "odd.parquet")
    (tmp_path / "text.parquet").write_text("no parquet", encoding="utf-8")
    with pytest.raises(UserError, match="cannot read the predictions"):
        read_predictions(tmp_path / "text.parquet")


def test_baselines_are_compared_with_each_other_where_nothing_else_is_asked_for(reviews: Path, tmp_path: Path) -> None:
    for named in (("constant", "linear"), ("linear", "constant")):
        report = evaluate_dataset(reviews, tmp_path / named[0], options(systems=named))
        pair = next(pair for pair in report.pairs if pair.metric == "accuracy")
        assert (pair.a, pair.b) == named
        better, worse = (report.systems[name].metrics["accuracy"].value for name in ("linear", "constant"))
        assert better is not None and worse is not None and better > worse, "the rows can be learnt"
        assert report.verdict_detail.outcome == ("worse" if named[0] == "constant" else "better")
        assert report.verdict.startswith(f"{report.verdict_detail.outcome}: {named[0]} against {named[1]}, accuracy")
