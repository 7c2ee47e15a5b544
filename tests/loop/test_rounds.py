"""Whole rounds, on a tiny random model."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from evals.data.saved import load_predictions
from loop.cli import app
from loop.compare import compare_rounds
from loop.record import RoundRecord, finished_rounds, round_dir, tuned_metrics
from loop.run import ProofFailed, run_round
from loop.table import comparison_table
from loopwright.errors import ExitCode, UserError
from prep.build.fix_ledger import Fix, append_fixes
from prep.dataset.manifest import Dataset
from prep.fixes.drafts import apply_drafts, load_drafts, save_drafts
from tests.train.proofs.sabotage import end_token_cut
from train.runs.record import RunRecord

# A round that was run before systems had roles.
_WITHOUT_ROLES = Path(__file__).parents[1] / "cases" / "rounds" / "without_roles"
_SOUPS = ("soup", "bread", "stew", "pasta", "fish", "salad", "cake", "rice", "curry", "pie", "tart", "steak")


@pytest.fixture
def config(write: Callable[[str, str], Path], tiny_model_dir: Path) -> Path:
    """A config over 48 reviews, to be trained in three steps."""
    rows = [
        {"id": f"r{index}", "text": f"The {food} number {index} was {'lovely' if index % 2 else 'awful'}.", "label": str(index % 2)}
        for index, food in enumerate(_SOUPS * 4)
    ]
    write("reviews.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    return write(
        "loop.yaml",
        f"""
name: tiny
sources:
  - {{path: reviews.jsonl, key: id}}
templates:
  - name: reviews/sentiment
labels: {{0: negative, 1: positive}}
split: {{train: 0.6, validation: 0.4, test: 0}}
train: {{model: "{tiny_model_dir}", max_steps: 3, dtype: float32, batch_size: 4, leaks: allow}}
evals: {{dtype: float32, num_resamples: 200}}
""",
    )


@pytest.fixture
def rounds_dir(tmp_path: Path) -> Path:
    return tmp_path / "rounds"


def relabel_one(config: Path, rounds_dir: Path) -> str:
    """Adds a fix of one training row to the ledger, and returns the row's id."""
    row = Dataset.open(round_dir(rounds_dir, 1) / "dataset").examples("train").head(1).collect().to_dicts()[0]
    was = row["choices"][row["label"]]
    now = "positive" if was == "negative" else "negative"
    fix = Fix(op="relabel", row_id=row["row_id"], before={"label": was}, after={"label": now}, reason="read again")
    append_fixes(config.parent / "loop.fixes.jsonl", [fix])
    return str(row["row_id"])


def test_second_round_shows_the_effect_of_a_fix(config: Path, rounds_dir: Path) -> None:
    first = run_round(config, rounds_dir)
    assert first.done
    assert first.record.comparison is None
    assert {"base", "constant", "linear"} < set(first.record.metrics)
    for name in ("dataset/manifest.json", "lint.json", "run/run.json", "evals/report.html", "drafts.jsonl", "round.json"):
        assert (first.folder / name).is_file(), name

    row_id = relabel_one(config, rounds_dir)
    second = run_round(config, rounds_dir)

    assert second.record.number == 2
    assert second.record.num_fixes == 1
    labels = [
        Dataset.open(round_dir(rounds_dir, number) / "dataset").examples().filter(pl.col("row_id") == row_id).collect()["label"].item()
        for number in (1, 2)
    ]
    assert labels[0] != labels[1]
    assert second.record.comparison is not None
    assert second.record.comparison.before == 1
    assert second.record.comparison.num_common == second.record.splits["validation"]
    assert {pair.metric for pair in second.record.comparison.pairs} == {"accuracy", "macro_f1"}


def test_unchanged_inputs_are_not_run_again(config: Path, rounds_dir: Path) -> None:
    run_round(config, rounds_dir)
    again = run_round(config, rounds_dir)
    assert not again.done
    assert again.record.number == 1
    assert [record.number for record in finished_rounds(rounds_dir)] == [1]
    assert run_round(config, rounds_dir, force=True).record.number == 2


def test_a_kept_finding_is_no_reason_for_a_new_round_and_stands_in_none(config: Path, rounds_dir: Path) -> None:
    first = run_round(config, rounds_dir)
    drafts = [draft for draft in load_drafts(first.folder / "drafts.jsonl") if draft.findings]
    assert drafts, "lint and failures draft something of these reviews"
    for draft in drafts:
        draft.op, draft.accept = "keep", True
    save_drafts(first.folder / "drafts.jsonl", drafts)
    assert {fix.op for fix in apply_drafts(first.folder / "drafts.jsonl", config)} == {"keep"}
    assert not run_round(config, rounds_dir).done
    second = run_round(config, rounds_dir, force=True)
    kept = {finding for draft in drafts for finding in draft.findings}
    assert kept.isdisjoint(finding for draft in load_drafts(second.folder / "drafts.jsonl") for finding in draft.findings)
    found = json.loads((second.folder / "lint.json").read_text(encoding="utf-8"))
    assert found["num_kept"] >= len([one for one in kept if one.code != "failures"]) > 0


def test_a_round_stops_at_stale_fixes_unless_told(config: Path, rounds_dir: Path) -> None:
    append_fixes(config.parent / "loop.fixes.jsonl", [Fix(op="drop", row_id="0" * 32, before={"text": "gone"}, reason="typo")])
    with pytest.raises(UserError, match="no longer apply"):
        run_round(config, rounds_dir)
    assert finished_rounds(rounds_dir) == []
    config.write_text(config.read_text() + "loop: {allow_stale: true}\n")
    outcome = run_round(config, rounds_dir)
    assert outcome.record.num_stale == 1


def test_a_round_of_before_roles_is_compared_and_shown(config: Path, rounds_dir: Path) -> None:
    earlier = round_dir(rounds_dir, 1)
    shutil.copytree(_WITHOUT_ROLES, earlier)
    (record,) = finished_rounds(rounds_dir)
    assert not record.roles
    assert tuned_metrics(record) == record.metrics["adapter:rounds/round-001/run"]

    second = run_round(config, rounds_dir).record

    assert second.roles == dict(zip(second.metrics, ("base", "tuned", "baseline", "baseline"), strict=True))
    assert tuned_metrics(second) == second.metrics[f"adapter:{round_dir(rounds_dir, 2) / 'run'}"]
    comparison = second.comparison
    assert comparison is not None and comparison.num_common == record.splits["validation"] == 18
    assert list(comparison.values) == ["adapter:round-002", "adapter:round-001"]
    assert comparison.values["adapter:round-001"]["accuracy"].value == record.metrics["adapter:rounds/round-001/run"]["accuracy"].value
    headings = [str(column.header) for column in comparison_table(second, comparison).columns]
    assert headings[:3] == ["metric", "round-002", "round-001"]


def test_an_interrupted_round_is_gone_on_with(config: Path, rounds_dir: Path) -> None:
    whole = run_round(config, rounds_dir)
    # As a kill between training and the end would leave it: the run is there, the record is not.
    (whole.folder / "round.json").unlink()
    shutil.rmtree(whole.folder / "evals")
    before = (whole.folder / "run" / "adapter_model.safetensors").stat().st_mtime_ns

    again = run_round(config, rounds_dir)

    assert again.record.number == 1
    assert (whole.folder / "run" / "adapter_model.safetensors").stat().st_mtime_ns == before, "the finished training was kept"
    assert again.record.metrics == whole.record.metrics


def test_an_interrupted_round_of_other_data_is_trained_anew(config: Path, rounds_dir: Path) -> None:
    whole = run_round(config, rounds_dir)
    relabel_one(config, rounds_dir)
    (whole.folder / "round.json").unlink()

    again = run_round(config, rounds_dir)

    run = json.loads((whole.folder / "run" / "run.json").read_text())
    assert run["dataset_key"] == again.record.dataset_key != whole.record.dataset_key


def test_comparison_scores_both_rounds_against_the_references_of_now(config: Path, rounds_dir: Path) -> None:
    run_round(config, rounds_dir)
    # The reference of one validation row is corrected: both rounds' predictions of it are judged anew, by its new label.
    row = Dataset.open(round_dir(rounds_dir, 1) / "dataset").examples("validation").head(1).collect().to_dicts()[0]
    was = row["choices"][row["label"]]
    now = "positive" if was == "negative" else "negative"
    fix = Fix(op="relabel", row_id=row["row_id"], before={"label": was}, after={"label": now}, reason="the reference was wrong")
    append_fixes(config.parent / "loop.fixes.jsonl", [fix])
    record = run_round(config, rounds_dir).record

    references = Dataset.open(round_dir(rounds_dir, 2) / "dataset").examples("validation").collect()
    right = {one["id"]: one["choices"][one["label"]] for one in references.iter_rows(named=True)}
    old = load_predictions(round_dir(rounds_dir, 1) / "evals" / "predictions.parquet")
    expected = sum(old[key].text == word for key, word in right.items()) / len(right)
    assert record.comparison is not None
    assert record.comparison.values["adapter:round-001"]["accuracy"].value == pytest.approx(expected)


def test_rounds_without_a_common_example_are_not_compared(config: Path, rounds_dir: Path) -> None:
    run_round(config, rounds_dir)
    config.write_text(config.read_text().replace("{path: reviews.jsonl, key: id}", "{path: reviews.jsonl, key: id, name: other}"))
    outcome = run_round(config, rounds_dir)
    assert outcome.record.comparison is None


def test_compare_needs_only_saved_predictions(config: Path, rounds_dir: Path) -> None:
    from evals.config import EvalsConfig

    run_round(config, rounds_dir)
    run_round(config, rounds_dir, force=True)
    for number in (1, 2):
        shutil.rmtree(round_dir(rounds_dir, number) / "run")
    comparison = compare_rounds(rounds_dir, now=2, before=1, config=EvalsConfig(num_resamples=200))
    assert comparison is not None
    assert comparison.detail.outcome == "cannot tell", "the same data, options and seed give the same answers"
    assert [pair.difference for pair in comparison.pairs] == [0.0, 0.0]


def test_command_line(config: Path, rounds_dir: Path) -> None:
    runner = CliRunner()
    ran = runner.invoke(app, ["run", str(config), "--out", str(rounds_dir), "--json"])
    assert ran.exit_code == 0, ran.output
    record = RoundRecord.model_validate_json(ran.stdout)
    assert record.number == 1
    shown = runner.invoke(app, ["status", str(config), "--out", str(rounds_dir), "--json"])
    assert [one["number"] for one in json.loads(shown.stdout)] == [1]
    table = runner.invoke(app, ["status", str(config), "--out", str(rounds_dir)])
    assert "round" in table.stdout


def test_rounds_lie_where_the_config_says(config: Path) -> None:
    config.write_text(config.read_text() + "loop: {out: elsewhere}\n")
    assert str(config.parent / "elsewhere") in CliRunner().invoke(app, ["status", str(config)], env={"COLUMNS": "400"}).stderr


def test_the_gate_fails_a_round_that_is_worse(config: Path, rounds_dir: Path) -> None:
    first = run_round(config, rounds_dir)
    # A perfect round before: every one of its predictions is the reference.
    path = first.folder / "evals" / "predictions.parquet"
    pl.read_parquet(path).with_columns(prediction="reference").write_parquet(path)
    config.write_text(config.read_text() + "loop: {gate: not_worse}\n")
    ran = CliRunner().invoke(app, ["run", str(config), "--out", str(rounds_dir), "--force", "--json"])
    comparison = RoundRecord.model_validate_json(ran.stdout).comparison
    assert comparison is not None
    assert comparison.detail.outcome == "worse"
    assert ran.exit_code == ExitCode.FINDINGS


def test_a_damaged_record_is_named(config: Path, rounds_dir: Path) -> None:
    folder = round_dir(rounds_dir, 1)
    folder.mkdir(parents=True)
    (folder / "round.json").write_text("{}")
    with pytest.raises(UserError, match="damaged"):
        run_round(config, rounds_dir)


def test_a_round_stops_where_a_proof_of_its_run_fails(config: Path, rounds_dir: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        end_token_cut(patch)
        with pytest.raises(ProofFailed, match="round 1 stops before its evaluation: the run failed the proof 'trained_answers'"):
            run_round(config, rounds_dir)
        outcome = CliRunner().invoke(app, ["run", str(config), "--out", str(rounds_dir)])
    assert outcome.exit_code == ExitCode.FINDINGS
    assert RunRecord.load(round_dir(rounds_dir, 1) / "run").proofs["trained_answers"].passed is False
    assert not (round_dir(rounds_dir, 1) / "evals").exists()
    assert not finished_rounds(rounds_dir)
    # The run is not taken for the round's once the cause is mended: it is trained again.
    assert run_round(config, rounds_dir).record.number == 1
    assert RunRecord.load(round_dir(rounds_dir, 1) / "run").proofs["trained_answers"].passed is True
