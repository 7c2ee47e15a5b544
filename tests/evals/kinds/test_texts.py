"""Plain texts: what is measured is the held-out loss of a run, and bits a byte of the text alone."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import PreTrainedTokenizerFast

from evals.data.prediction import PredictionState
from evals.data.rows import EvalRow
from evals.data.saved import load_predictions
from evals.metrics.base import METRICS
from evals.predict.parts import Windows, encode_text
from evals.run import evaluate_dataset
from loopwright.errors import UserError
from templates.chat import load_tokenizer
from tests.evals.conftest import options, review_rows
from tests.evals.kinds.made import evaluated, models, parts, strided_logprobs, texts, token_logprobs, trained, value
from tests.helpers import write_dataset
from tests.train.conftest import without_proofs
from tests.train.masked import bytes_tokenizer

LENGTH = 24


@pytest.fixture(autouse=True)
def _no_proofs(monkeypatch: pytest.MonkeyPatch) -> None:
    without_proofs(monkeypatch)


def row_of(text: str) -> EvalRow:
    return EvalRow("r", "r", "s", 1, None, "test", "t", None, None, None, None, None, text=text)


@pytest.mark.parametrize(("method", "stride"), [("lora", None), ("full", 5), ("freeze", 12)])
def test_the_nll_is_the_held_out_loss_of_the_run_and_of_the_base(
    method: str, stride: int | None, tmp_path: Path, tiny_model_dir: Path
) -> None:
    changes = {"objective": "completion", "method": method, "max_length": LENGTH, "stride": stride}
    dataset, run, record = trained(tmp_path, texts(), tiny_model_dir, **changes)
    report, tuned = evaluated(dataset, tmp_path / "out", run, max_batch_tokens=60)
    assert report.form == "completion" and list(report.systems["base"].metrics) == ["text_nll", "bits_per_byte"]
    assert value(report, tuned, "text_nll") == pytest.approx(record.validation_loss, abs=1e-4)
    assert value(report, "base", "text_nll") == pytest.approx(record.validation_loss_before, abs=1e-4)
    assert value(report, tuned, "text_nll") < value(report, "base", "text_nll") - 0.01
    assert f"texts are read in windows of 24 tokens, each {stride or 12} behind the one before" in report.notes
    tokenizer = load_tokenizer(str(tiny_model_dir))
    rows = [row for row in texts() if row["split"] == "validation"]
    for model, system in zip(models(tiny_model_dir, run, method), ("base", tuned), strict=True):
        bits, num_bytes = 0.0, 0
        for row, found in zip(rows, parts(tmp_path / "out", system).values(), strict=True):
            ids = [*tokenizer.encode(row["text"]), tokenizer.eos_token_id]
            expected = strided_logprobs(model, ids, LENGTH, stride or 12)
            first = tokenizer(row["text"], return_offsets_mapping=True)["offset_mapping"][1:2]
            assert [part["num_tokens"] for part in found] == [len(ids) - 2, 1]
            assert sum(part["loglikelihood"] for part in found) == pytest.approx(float(expected.sum()), abs=1e-3)
            assert found[1]["loglikelihood"] == pytest.approx(float(expected[-1]), abs=1e-4)
            size = len(row["text"][first[0][0] :].encode()) if first else 0
            assert found[0]["num_bytes"] == size, "the first token is predicted by nothing, and the end token says nothing"
            bits, num_bytes = bits - float(expected[:-1].sum()) / math.log(2), num_bytes + size
        assert value(report, system, "bits_per_byte") == pytest.approx(bits / num_bytes, rel=1e-5)


def test_a_verdict_on_texts_knows_that_less_is_better(tmp_path: Path, tiny_model_dir: Path) -> None:
    rows = [{**row, "row_id": f"{row['split']}{copy}-{place}"} for copy in range(4) for place, row in enumerate(texts()[:10])]
    rows = [{key: text for key, text in row.items() if key != "group"} for row in rows]
    dataset, run, _ = trained(tmp_path, rows, tiny_model_dir, objective="completion", max_steps=12)
    report, tuned = evaluated(dataset, tmp_path / "out", run)
    assert report.verdict_detail.outcome == "better" and report.verdict.startswith(f"better: {tuned} against base, text_nll -")
    assert value(report, tuned, "text_nll") < value(report, "base", "text_nll")
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "text_nll (left is better)" in page and "No answer that was looked into fails" in page
    saved = load_predictions(tmp_path / "out" / "predictions.parquet")
    rows_of = [row_of("") for _ in saved]
    metric = METRICS.get("text_nll")()
    found = float(metric.value(metric.statistics(rows_of, list(saved.values())).sum(axis=0)))
    assert found == pytest.approx(value(report, tuned, "text_nll")), "a round is compared by what it saved"


def test_windows_of_a_document_are_one_example(tmp_path: Path, tiny_model_dir: Path) -> None:
    dataset = write_dataset(tmp_path / "data", texts())
    given = options(model=str(tiny_model_dir), systems=["base"], num_resamples=500)
    report = evaluate_dataset(dataset, tmp_path / "out", given)
    assert (report.num_examples, report.num_clusters) == (4, 3)
    assert report.systems["base"].states == {"ok": 4}
    assert {(one.slice, one.value, one.n) for one in report.slices if one.metric == "text_nll"} == {
        ("length", "short", 3),
        ("length", "medium", 1),
    }


def test_a_beginning_token_stands_once_before_a_text_and_predicts_its_first() -> None:
    tokenizer = bytes_tokenizer()
    for text in ("The soup. 汤", "<s>The soup.</s> <mask>"):
        asked = encode_text(tokenizer, row_of(text), Windows(512, 256))
        [ids], [spans] = asked.request.sequences, asked.request.spans
        assert ids[0] == tokenizer.bos_token_id and ids.count(tokenizer.bos_token_id) == 1, "what a text spells is text"
        assert ids.count(tokenizer.eos_token_id) == 1 and (spans[0].start, spans[1].end) == (1, len(ids))
        assert asked.num_bytes == (len(text.encode()), 0)


def test_windows_are_those_of_a_completion_run_within_the_models_context(tmp_path: Path, tiny_model_dir: Path) -> None:
    _, run, _ = trained(tmp_path, texts(), tiny_model_dir, objective="completion", max_length=100_000, max_steps=1)
    from train.runs.record import RunRecord

    windows = Windows.of([RunRecord.load(run)])
    assert (windows.length, windows.within(512), Windows.of().length) == (100_000, Windows(512, 256), 2048)


def test_texts_that_cannot_be_read_are_states(tmp_path: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"text": "The soup.", "split": "validation"}, {"text": "", "split": "validation", "row_id": "none"}]
    dataset = write_dataset(tmp_path / "data", rows)
    report = evaluate_dataset(
        dataset, tmp_path / "out", options(model=str(tiny_model_dir), systems=["base", "constant", "linear", "fewshot:1"])
    )
    assert report.systems["base"].states == {"ok": 1, "error": 1} and report.systems["base"].n_scored == 1
    assert list(report.systems) == ["base"], "nothing is added to what is read, and labels are none of it"
    assert "linear is left out: it is for choices, and these examples are plain texts" in report.notes
    assert any("no score for 1 of 2" in text for text in report.warnings)
    from train.inference import language_model

    made = language_model.LanguageModel.__init__

    def broken(self: Any, *arguments: Any) -> None:
        made(self, *arguments)
        self.model.lm_head.register_forward_hook(lambda _module, _inputs, output: output * torch.nan)

    monkeypatch.setattr(language_model.LanguageModel, "__init__", broken)
    report = evaluate_dataset(dataset, tmp_path / "nan", options(model=str(tiny_model_dir), systems=["base"]))
    assert report.systems["base"].states == {PredictionState.NOT_A_NUMBER.value: 1, "error": 1}
    assert report.systems["base"].metrics["text_nll"].value is None


def test_texts_and_choices_are_measured_side_by_side(tmp_path: Path, adapter_dir: Path) -> None:
    dataset = write_dataset(tmp_path / "data", [*review_rows(12, 6), *texts()])
    report = evaluate_dataset(dataset, tmp_path / "out", options(adapter=str(adapter_dir), systems=["base", "adapter", "constant"]))
    assert (report.num_examples, report.systems["constant"].n_scored) == (10, 6)
    assert set(report.systems["base"].metrics) == {"accuracy", "macro_f1"}, "the template names metrics, which its choices have"
    named = options(adapter=str(adapter_dir), systems=["base", "adapter"], metrics=["accuracy", "text_nll"])
    both = evaluate_dataset(dataset, tmp_path / "named", named)
    assert set(both.systems["base"].metrics) == {"accuracy", "text_nll"}
    assert {pair.n for pair in both.pairs if pair.metric == "text_nll"} == {4}


def test_no_checkpoint_is_chosen_by_what_the_validation_loss_says(tmp_path: Path, tiny_model_dir: Path) -> None:
    with pytest.raises(UserError, match=r"'text_nll' measures no answers .* the validation loss chooses the checkpoint"):
        trained(tmp_path, texts(), tiny_model_dir, objective="completion", best="text_nll")


def test_a_plain_window_is_read_as_one_forward_pass(tiny_model_dir: Path) -> None:
    """The helper of these tests itself: one window is the whole text."""
    base, _ = models(tiny_model_dir, tiny_model_dir, "full")
    ids = list(range(3, 20))
    np.testing.assert_allclose(strided_logprobs(base, ids, 32, 16), token_logprobs(base, ids), atol=1e-6)


def test_a_tokenizer_without_an_end_token_is_told(tokenizer: PreTrainedTokenizerFast) -> None:
    from copy import deepcopy

    from templates.chat import EncodeError

    without = deepcopy(tokenizer)
    without.eos_token = None
    with pytest.raises(EncodeError, match="has no end token"):
        encode_text(without, row_of("soup"), Windows(512, 256))
