"""An evaluation from end to end, through the library's door and the command's."""

import json
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner
from typing_extensions import override

from evals.cli import app
from evals.config import EvalsConfig
from evals.data.contract import Report
from evals.data.prediction import Prediction, PredictionState
from evals.data.role import Role
from evals.data.rows import Task
from evals.reports.results import read_predictions
from evals.run import evaluate_dataset
from evals.systems.base import SYSTEMS, EvalContext, System
from evals.systems.constant import Constant
from evals.systems.spec import SystemForm
from loopwright.errors import UserError
from loopwright.files import read_json_lines
from loopwright.progress import Advance
from tests.evals.conftest import SUMMARY_TEMPLATE, make_run, review_rows, summary_rows
from tests.helpers import DEFAULT_TEMPLATE, review, summary, write_dataset
from train.inference import loglikelihood


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory, reviews: Path, adapter_dir: Path) -> tuple[Path, Report]:
    out = tmp_path_factory.mktemp("evaluated") / "out"
    return out, evaluate_dataset(reviews, out, options(adapter=str(adapter_dir), metrics=("accuracy", "macro_f1", "nll")))


def options(**given: Any) -> EvalsConfig:
    return EvalsConfig(**{"dtype": "float32", "num_resamples": 500, "max_new_tokens": 8, **given})


def test_the_report_keeps_its_contract(evaluated: tuple[Path, Report], adapter_dir: Path) -> None:
    out, _ = evaluated
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    tuned = f"adapter:{adapter_dir}"
    assert list(report["systems"]) == ["base", tuned, "constant", "linear"]
    assert [system["role"] for system in report["systems"].values()] == ["base", "tuned", "baseline", "baseline"]
    for system in report["systems"].values():
        assert system["n_total"] == system["n_scored"] == 24
        assert set(system["metrics"]) == {"accuracy", "macro_f1", "nll"}
        for value in system["metrics"].values():
            assert set(value) == {"value", "low", "high"}
            assert value["low"] <= value["value"] <= value["high"]
    pairs = {(pair["a"], pair["b"], pair["metric"]): pair for pair in report["pairs"]}
    for other in ("base", "constant", "linear"):
        pair = pairs[tuned, other, "accuracy"]
        a, b = (report["systems"][name]["metrics"]["accuracy"]["value"] for name in (tuned, other))
        assert pair["difference"] == pytest.approx(a - b)
        assert pair["low"] <= pair["difference"] <= pair["high"]
        assert 0 < pair["p"] <= pair["p_holm"] <= 1
    assert isinstance(report["verdict"], str) and report["verdict"].startswith(report["verdict_detail"]["outcome"])
    assert report["split"] == "validation" and report["form"] == "chat" and report["dtype"] == "float32"


def test_predictions_agree_with_the_report(evaluated: tuple[Path, Report], reviews: Path) -> None:
    out, report = evaluated
    predictions = pl.read_parquet(out / "predictions.parquet")
    assert stat.S_IMODE((out / "predictions.parquet").stat().st_mode) == 0o600
    assert {"id", "system", "reference", "prediction", "choice_loglikelihoods", "scores", "state"} <= set(predictions.columns)
    examples = pl.read_parquet(reviews / "examples.parquet")
    joined = predictions.join(examples.select("id", "label", "choices", split_here="split"), on="id", how="left")
    assert set(joined["split_here"]) == {"validation"}
    for record in joined.iter_rows(named=True):
        assert record["reference"] == record["choices"][record["label"]]
        best = max(range(2), key=record["choice_loglikelihoods"].__getitem__)
        assert record["prediction"] == record["choices"][best]
        assert record["scores"]["accuracy"] == float(record["prediction"] == record["reference"])
    for system, rows in predictions.group_by("system"):
        assert set(rows["role"]) == {report.systems[str(system[0])].role.value}
        value = report.systems[str(system[0])].metrics["accuracy"].value
        assert rows["scores"].struct.field("accuracy").mean() == pytest.approx(value)


def test_failures_name_their_row_causes_and_neighbours(evaluated: tuple[Path, Report], adapter_dir: Path) -> None:
    out, _ = evaluated
    failures = read_json_lines(out / "failures.jsonl")
    assert stat.S_IMODE((out / "failures.jsonl").stat().st_mode) == 0o600
    predictions = pl.read_parquet(out / "predictions.parquet").filter(system=f"adapter:{adapter_dir}")
    wrong = predictions.filter(pl.col("prediction") != pl.col("reference"))
    assert failures and {failure["id"] for failure in failures} == set(wrong["id"])
    for failure in failures:
        assert failure["id"] == f"{failure['row_id']}/{failure['template']}/0"
        assert failure["system"] == f"adapter:{adapter_dir}"
        assert failure["split"] == "validation" and failure["prediction"] != failure["reference"]
        lifts = [cause["lift"] for cause in failure["causes"]]
        assert lifts == sorted(lifts, reverse=True)
        assert len(failure["neighbours"]) == 5
        similarities = [neighbour["similarity"] for neighbour in failure["neighbours"]]
        assert similarities == sorted(similarities, reverse=True) and all(0 <= one <= 1 for one in similarities)
        for neighbour in failure["neighbours"]:
            assert int(neighbour["row_id"].removeprefix("r")) < 60, "a neighbour is from train"
            assert neighbour["same_answer"] == (neighbour["answer"] == failure["reference"])


def test_linear_learns_what_words_tell_and_constant_is_the_majority(evaluated: tuple[Path, Report]) -> None:
    out, report = evaluated
    assert report.systems["linear"].metrics["accuracy"].value == 1.0
    predictions = pl.read_parquet(out / "predictions.parquet").filter(system="constant")
    assert set(predictions["prediction"]) == {"positive"}


def test_two_evaluations_give_the_same_numbers(tmp_path: Path, evaluated: tuple[Path, Report], reviews: Path, adapter_dir: Path) -> None:
    again = evaluate_dataset(reviews, tmp_path / "out", options(adapter=str(adapter_dir), metrics=("accuracy", "macro_f1", "nll")))
    first = evaluated[1]
    assert again.pairs == first.pairs
    assert {name: system.metrics for name, system in again.systems.items()} == {
        name: system.metrics for name, system in first.systems.items()
    }


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


def test_summaries_are_written_and_scored(tmp_path: Path, summaries: Path, adapter_dir: Path) -> None:
    report = evaluate_dataset(summaries, tmp_path / "out", options(adapter=str(adapter_dir)))
    assert list(report.systems) == ["base", f"adapter:{adapter_dir}"]
    assert set(report.systems["base"].metrics) == {"rouge1", "rougeL", "fact_recall"}
    assert any(note.startswith("constant is left out") for note in report.notes)
    predictions = pl.read_parquet(tmp_path / "out" / "predictions.parquet")
    assert predictions["choice_loglikelihoods"].null_count() == len(predictions) == 12
    assert predictions["prediction"].null_count() == 0
    failures = read_json_lines(tmp_path / "out" / "failures.jsonl")
    assert len(failures) == 6 and all(failure["scores"].keys() == {"rouge1", "rougeL", "fact_recall"} for failure in failures)


def test_a_dataset_of_both_tasks_is_measured_by_template(tmp_path: Path, adapter_dir: Path) -> None:
    mixed = [{**row, "template": "calls/summary", "id": f"{row['row_id']}/calls/summary/0"} for row in summary_rows(4, 3)]
    dataset = write_dataset(tmp_path / "data", [*review_rows(20, 6), *mixed], templates=[DEFAULT_TEMPLATE, SUMMARY_TEMPLATE])
    report = evaluate_dataset(dataset, tmp_path / "out", options(adapter=str(adapter_dir)))
    base, constant = report.systems["base"], report.systems["constant"]
    assert (base.n_total, base.n_scored) == (9, 9)
    assert (constant.n_total, constant.n_scored) == (9, 6)
    assert set(base.metrics) == {"accuracy", "macro_f1", "rouge1", "rougeL", "fact_recall"}
    assert set(constant.metrics) == {"accuracy", "macro_f1"}
    assert {(one.slice, one.value) for one in report.slices} >= {("template", "calls/summary"), ("label", "positive")}


def test_rows_that_cannot_be_scored_are_counted_and_not_hidden(tmp_path: Path, tiny_model_dir: Path, adapter_dir: Path) -> None:
    rows = review_rows(20, 4)
    rows.append(review("a soup " * 600, 1, split="validation", row_id="long"))
    rows.append({**review("no such answer", 1, split="validation", row_id="odd"), "target": " maybe"})
    rows[-1]["messages"][-1]["content"] = "maybe"
    dataset = write_dataset(tmp_path / "data", rows)
    report = evaluate_dataset(dataset, tmp_path / "out", options(adapter=str(adapter_dir)))
    assert report.systems["base"].states == {"ok": 4, "prompt_too_long": 1, "error": 1}
    assert (report.systems["base"].n_scored, report.systems["base"].n_total) == (4, 6)
    assert (report.systems["linear"].n_scored, report.systems["linear"].n_total) == (6, 6)
    pair = next(pair for pair in report.pairs if pair.b == "linear" and pair.a == "base")
    assert pair.n == 4, "a pair is compared on the examples that both have a score for"
    assert any("no score for 2 of 6" in text for text in report.warnings)
    failures = {failure["row_id"]: failure for failure in read_json_lines(tmp_path / "out" / "failures.jsonl")}
    assert failures["long"]["state"] == "prompt_too_long" and failures["long"]["prediction"] is None
    assert "does not end on its choice" in next(cause["detail"] for cause in failures["odd"]["causes"] if cause["cause"] == "error")
    raw = evaluate_dataset(dataset, tmp_path / "raw", options(model=str(tiny_model_dir), systems=("base",)))
    assert raw.form == "verbalizer" and raw.systems["base"].states == {"ok": 4, "prompt_cut": 1, "error": 1}


def test_a_prompt_longer_than_the_context_is_not_answered(tmp_path: Path, adapter_dir: Path) -> None:
    rows = [*summary_rows(3, 2), summary("long " * 700, "It is long.", split="validation", row_id="long")]
    dataset = write_dataset(tmp_path / "data", rows, templates=[SUMMARY_TEMPLATE])
    report = evaluate_dataset(dataset, tmp_path / "out", options(adapter=str(adapter_dir)))
    assert report.systems["base"].states["prompt_too_long"] == 1
    assert (report.systems["base"].n_scored, report.systems["base"].n_total) == (2, 3)


def test_numbers_that_are_none_are_a_state(tmp_path: Path, reviews: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from train.inference import language_model

    made = language_model.LanguageModel.__init__

    def broken(self: Any, *arguments: Any) -> None:
        made(self, *arguments)
        self.model.lm_head.register_forward_hook(lambda _module, _inputs, output: output * torch.nan)

    monkeypatch.setattr(language_model.LanguageModel, "__init__", broken)
    report = evaluate_dataset(reviews, tmp_path / "out", options(model=str(tiny_model_dir)))
    assert report.systems["base"].states == {"not_a_number": 24}
    assert report.systems["base"].n_scored == 0
    value = report.systems["base"].metrics["accuracy"]
    assert (value.value, value.low, value.high) == (None, None, None)
    assert "NaN" not in (tmp_path / "out" / "report.json").read_text(encoding="utf-8")


def test_an_adapter_without_effect_is_a_loud_warning(
    tmp_path: Path, reviews: Path, tiny_model_dir: Path, evaluated: tuple[Path, Report]
) -> None:
    idle = make_run(tmp_path / "idle", tiny_model_dir, scale=0.0)
    report = evaluate_dataset(reviews, tmp_path / "out", options(adapter=str(idle), limit=5))
    assert any("the adapter has no effect" in text for text in report.warnings)
    assert not any("the adapter has no effect" in text for text in evaluated[1].warnings)


def test_lint_of_a_row_and_of_its_neighbours_is_a_candidate_cause(tmp_path: Path, adapter_dir: Path) -> None:
    rows = review_rows(30, 12)
    for index in range(6):  # the same review with two answers, near the evaluated ones
        rows.append(review("On visit 7 the soup was cold and the bread was stale.", index % 2, row_id=f"c{index}"))
    # One of the two is answered wrongly, whatever the adapter says.
    rows += [
        review("On visit 9 the soup was cold and the bread was stale.", label, split="validation", row_id=f"v{label}") for label in (0, 1)
    ]
    dataset = write_dataset(tmp_path / "data", rows)
    evaluate_dataset(dataset, tmp_path / "out", options(adapter=str(adapter_dir)))
    causes = {cause["cause"] for failure in read_json_lines(tmp_path / "out" / "failures.jsonl") for cause in failure["causes"]}
    assert "lint_neighbour:CON201" in causes


def test_groups_widen_intervals(tmp_path: Path, adapter_dir: Path) -> None:
    rows = review_rows(30, 24)
    grouped = [{**row, "group": f"g{index // 6}"} for index, row in enumerate(rows)]
    reports = [
        evaluate_dataset(write_dataset(tmp_path / name, data), tmp_path / f"out-{name}", options(adapter=str(adapter_dir)))
        for name, data in (("single", rows), ("grouped", grouped))
    ]
    assert [report.num_clusters for report in reports] == [24, 4]
    widths = [
        report.pairs[0].high - report.pairs[0].low
        for report in reports
        if report.pairs[0].high is not None and report.pairs[0].low is not None
    ]
    assert widths[1] > widths[0]
    assert [report.pairs[0].test for report in reports] == ["mcnemar_exact", "cluster_sign_flip"]


def test_a_look_at_test_is_counted_beside_the_output(tmp_path: Path, tiny_model_dir: Path) -> None:
    dataset = write_dataset(tmp_path / "data", [*review_rows(10, 4), review("fine soup", 1, split="test", row_id="t")])
    given = options(systems=("constant",))
    assert evaluate_dataset(dataset, tmp_path / "v", given).test_looks is None
    assert not (tmp_path / "looks.json").exists()
    test = given.model_copy(update={"split": "test"})
    assert evaluate_dataset(dataset, tmp_path / "one", test).test_looks == 1
    second = evaluate_dataset(dataset, tmp_path / "two", test)
    assert second.test_looks == 2
    assert any("evaluation 2 on this test set" in text for text in second.warnings)
    (counted,) = json.loads((tmp_path / "looks.json").read_text(encoding="utf-8")).values()
    assert counted == {"dataset": "test", "looks": 2}


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
    assert read.drop("role").equals(pl.read_parquet(earlier))
    assert set(read.select("system", "role").unique().rows()) == {
        ("base", "base"), ("adapter:rounds/round-001/run", "tuned"), ("constant", "baseline"), ("linear", "baseline"),
    }  # fmt: skip
    pl.read_parquet(earlier).with_columns(system=pl.lit("mine")).write_parquet(tmp_path / "odd.parquet")
    with pytest.raises(UserError, match="Evaluate again"):
        read_predictions(tmp_path / "odd.parquet")
    (tmp_path / "text.parquet").write_text("no parquet", encoding="utf-8")
    with pytest.raises(UserError, match="cannot read the predictions"):
        read_predictions(tmp_path / "text.parquet")


def break_nothing(folder: Path) -> None:
    """The folder is as it should be."""


def drop_weights(folder: Path) -> None:
    (folder / "adapter_model.safetensors").unlink()


def drop_record(folder: Path) -> None:
    (folder / "run.json").unlink()


def other_weights(folder: Path) -> None:
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    (folder / "run.json").chmod(0o600)
    (folder / "run.json").write_text(json.dumps({**record, "model_sha256": "0" * 64}), encoding="utf-8")


@pytest.mark.parametrize(
    "case",
    [
        (break_nothing, {"split": "test"}, "the test split is empty"),
        (break_nothing, {"systems": ("base", "linaer")}, "Did you mean 'linear'"),
        (break_nothing, {"systems": ("constant:x",)}, "not how the system"),
        (break_nothing, {"systems": ("base:x",)}, "there is no code for the system 'base:x' yet"),
        (break_nothing, {"metrics": ("acuracy",)}, "Did you mean 'accuracy'"),
        (break_nothing, {"fail_below": {"rogue1": 0.5}}, "Did you mean 'rouge1'"),
        (break_nothing, {"form": "verbalizer"}, "trained in chat form"),
        (break_nothing, {"model": "no/such/model"}, "there is no model"),
        (drop_weights, {}, "the folder holds no adapter"),
        (drop_record, {}, "the run is not finished"),
        (other_weights, {}, "other weights"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_and_nothing_is_written(
    tmp_path: Path, reviews: Path, tiny_model_dir: Path, case: tuple[Callable[[Path], None], dict[str, Any], str]
) -> None:
    spoil, given, message = case
    run = make_run(tmp_path / "run", tiny_model_dir)
    spoil(run)
    with pytest.raises(UserError) as caught:
        evaluate_dataset(reviews, tmp_path / "out", options(**{"adapter": str(run), **given}))
    assert message in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_the_output_folder_replaces_nothing_but_an_evaluation(tmp_path: Path, reviews: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work", encoding="utf-8")
    for out in (tmp_path / "mine", reviews):
        with pytest.raises(UserError):
            evaluate_dataset(reviews, out, options(systems=("constant",)))
    assert (tmp_path / "mine" / "thesis.txt").exists()
    for _ in range(2):
        evaluate_dataset(reviews, tmp_path / "out", options(systems=("constant",)))
    (tmp_path / "out" / "drafts.jsonl").write_text("corrected by hand", encoding="utf-8")
    with pytest.raises(UserError, match=r"'drafts\.jsonl'. Move it elsewhere"):
        evaluate_dataset(reviews, tmp_path / "out", options(systems=("constant",)))


def test_the_command_prints_the_report_and_reads_its_section(
    tmp_path: Path, reviews: Path, tiny_model_dir: Path, write: Callable[[str, str], Path]
) -> None:
    config = write("config.yaml", "name: x\nevals:\n  systems: [base, constant]\n  num_resamples: 200\n  dtype: float32\n")
    arguments = ["run", str(reviews), "--model", str(tiny_model_dir), "--config", str(config), "--limit", "6"]
    result = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "out"), "--json"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report == json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert list(report["systems"]) == ["base", "constant"] and report["num_examples"] == 6
    assert "accuracy" in result.stderr and "report.html" in result.stderr and report["verdict"][:11] in result.stderr


def test_the_command_fails_with_2_and_says_why(tmp_path: Path) -> None:
    program = "from evals.cli import main; main()"
    command = [sys.executable, "-c", program, "run", str(tmp_path / "none"), "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "there is no such dataset folder" in done.stderr and "prep build" in done.stderr and "Traceback" not in done.stderr
    assert done.stdout == "" and list(tmp_path.iterdir()) == []


FLIPPED: dict[str, Any] = {
    "systems": ("base",),
    "limit": 5,
    "form": "chat",
    "metrics": ("accuracy", "nll"),
    "dtype": "bfloat16",
    "num_resamples": 150,
    "confidence": 0.8,
    "seed": 3,
    "split": "train",
    "num_neighbours": 2,
    "fail_below": {"accuracy": 0.0},
    "report_failures": 0,
    "adapter": "RUN",
    "model": "MODEL",
    "max_new_tokens": 3,
    "max_batch_tokens": 1,
}


def test_no_option_is_without_a_test_of_its_effect() -> None:
    assert FLIPPED.keys() == EvalsConfig.model_fields.keys()


@pytest.mark.parametrize("name", FLIPPED)
def test_every_option_changes_something(
    tmp_path: Path, adapter_dir: Path, tiny_model_dir: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each field is flipped on a small dataset of both tasks, and what is written or done differs."""
    value = FLIPPED[name]
    sizes: list[int] = []
    score_batch = loglikelihood._score_batch

    def spy(model: Any, trees: list[Any]) -> list[list[float]]:
        sizes.append(len(trees))
        return score_batch(model, trees)

    monkeypatch.setattr(loglikelihood, "_score_batch", spy)
    mixed = [{**row, "template": "calls/summary", "id": f"{row['row_id']}/calls/summary/0"} for row in summary_rows(2, 2)]
    dataset = write_dataset(tmp_path / "data", [*review_rows(16, 8), *mixed], templates=[DEFAULT_TEMPLATE, SUMMARY_TEMPLATE])
    other_model = tmp_path / "model"
    if name == "model":
        from transformers import AutoModelForCausalLM, AutoTokenizer

        model = AutoModelForCausalLM.from_pretrained(tiny_model_dir)
        model.model.norm.weight.data *= 3
        model.save_pretrained(other_model)
        AutoTokenizer.from_pretrained(tiny_model_dir).save_pretrained(other_model)
    value = {"RUN": str(adapter_dir), "MODEL": str(other_model)}.get(value, value) if isinstance(value, str) else value

    def observe(label: str, **given: Any) -> list[Any]:
        sizes.clear()
        report = evaluate_dataset(dataset, tmp_path / label, options(**{"model": str(tiny_model_dir), **given}))
        table = pl.read_parquet(tmp_path / label / "predictions.parquet").drop("split").to_dicts()
        page = (tmp_path / label / "report.html").read_text(encoding="utf-8").count("<article")
        results = [{key: system.metrics for key, system in report.systems.items()}, report.pairs, report.split]
        return [results, table, (tmp_path / label / "failures.jsonl").read_text(encoding="utf-8"), page, max(sizes)]

    assert observe("default") != observe("flipped", **{name: value})


def test_baselines_are_compared_with_each_other_where_nothing_else_is_asked_for(reviews: Path, tmp_path: Path) -> None:
    for named in (("constant", "linear"), ("linear", "constant")):
        report = evaluate_dataset(reviews, tmp_path / named[0], options(systems=named))
        pair = next(pair for pair in report.pairs if pair.metric == "accuracy")
        assert (pair.a, pair.b) == named
        better, worse = (report.systems[name].metrics["accuracy"].value for name in ("linear", "constant"))
        assert better is not None and worse is not None and better > worse, "the rows can be learnt"
        assert report.verdict_detail.outcome == ("worse" if named[0] == "constant" else "better")
        assert report.verdict.startswith(f"{report.verdict_detail.outcome}: {named[0]} against {named[1]}, accuracy")
