"""Every option of an evaluation changes something."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from evals.config import EvalsConfig
from evals.run import evaluate_dataset
from tests.evals.conftest import SUMMARY_TEMPLATE, options, review_rows, summary_rows
from tests.helpers import DEFAULT_TEMPLATE, write_dataset
from train.inference import loglikelihood

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
    "fail_below": {"accuracy": 2.0},
    "minimum_effect": {"accuracy": 0.9},
    "gates": {"accuracy": {"min": 0.5}},
    "slices": {"soup": "soup"},
    "report": (),
    "report_rows": 3,
    "report_failures": 0,
    "adapter": "RUN",
    "model": "MODEL",
    "max_new_tokens": 3,
    "max_batch_tokens": 1,
    "corpus": "CORPUS",
    "endpoint": {"retries": 0},
    "probes": "PROBES",
    "forgetting": {"max_rise": 1000.0},
    "memorised": 3,
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
    batches = loglikelihood._batches

    def spy(*given: Any, **options: Any) -> Iterator[list[Any]]:
        for batch in batches(*given, **options):
            sizes.append(len(batch))
            yield batch

    monkeypatch.setattr(loglikelihood, "_batches", spy)
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

    passages = {label: tmp_path / f"{label}.txt" for label in ("default", "flipped")}
    for label, path in passages.items():
        path.write_text("The soup was great.\n\n" + f"The {label} soup was slow, the waiter was {label}.", encoding="utf-8")

    probes = tmp_path / "probes"
    probes.mkdir()
    (probes / "general.txt").write_text("\n\n".join(f"The soup on table {number} was warm." for number in range(12)), encoding="utf-8")

    def observe(label: str, **given: Any) -> list[Any]:
        sizes.clear()
        if name in {"probes", "forgetting", "memorised"}:  # which compare a run with its base
            probed = {"probes": str(probes)} if name == "forgetting" or "probes" in given else {}
            given = {"systems": ("base", "adapter"), "adapter": str(adapter_dir), **given, **probed}
        if name == "corpus":
            given = {"systems": ("base", "rag:2"), "corpus": str(passages[label])}
        if name == "endpoint":  # nobody listens there
            given = {
                "systems": ("base", "endpoint:http://127.0.0.1:9/v1#small"),
                "endpoint": {"retries": 1, "first_wait": 0.0, **given.get(name, {})},
            }
        report = evaluate_dataset(dataset, tmp_path / label, options(**{"model": str(tiny_model_dir), **given}))
        table = pl.read_parquet(tmp_path / label / "predictions.parquet").drop("split").to_dicts()
        page = tmp_path / label / "report.html"
        shown = page.read_text(encoding="utf-8").partition('id="answer-data">')[2].partition("</script>")[0] if page.is_file() else None
        results: list[Any] = [{key: system.metrics for key, system in report.systems.items()}, report.pairs, report.split, report.notes]
        results += [report.gates, report.slices, report.warnings, report.memorised]
        return [results, table, (tmp_path / label / "failures.jsonl").read_text(encoding="utf-8"), shown, max(sizes)]

    assert observe("default") != observe("flipped", **{name: value})
