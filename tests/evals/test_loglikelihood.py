"""Log-likelihoods against a plain computation, one choice at a time, without any of the shortcuts."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import MistralConfig

from evals.data.rows import EvalRow, load_rows
from evals.predict.requests import encode_choices
from prep.dataset.manifest import Dataset
from templates.chat import encode_continuation, encode_prompt
from templates.form import Form
from tests.conftest import CHATML, make_tokenizer
from tests.evals.conftest import make_run
from tests.helpers import encode_one
from tests.train.fast.test_llama import _KINDS, write_model
from train.inference.language_model import LanguageModel
from train.inference.loglikelihood import Scored, score_choices
from train.inference.requests import ChoiceRequest


@pytest.fixture(scope="module")
def language_model(tiny_model_dir: Path) -> LanguageModel:
    return LanguageModel(str(tiny_model_dir), "float32", {})


@pytest.fixture(scope="module")
def rows(reviews: Path) -> list[EvalRow]:
    return load_rows(Dataset.open(reviews), "validation")[0]


def plain_loglikelihood(model: Any, context_ids: list[int], continuation_ids: list[int], max_length: int = 512) -> float:
    """The definition: log-softmax of every position, and the sum over the continuation's tokens."""
    ids = (context_ids + continuation_ids)[-(max_length + 1) :]
    with torch.no_grad():
        logits = model(torch.tensor([ids[:-1]])).logits[0].float()
    log_probabilities = logits.log_softmax(-1)
    start = len(ids) - len(continuation_ids)
    return sum(float(log_probabilities[start - 1 + index, token]) for index, token in enumerate(continuation_ids))


def score(language_model: LanguageModel, requests: list[ChoiceRequest], **options: Any) -> list[Scored]:
    settings = {"max_length": 512, "max_batch_tokens": 2048, **options}
    return score_choices(language_model.model, requests, advance=lambda _done: None, **settings)


@pytest.mark.parametrize("form", [Form.CHAT, Form.VERBALIZER])
@pytest.mark.parametrize("max_batch_tokens", [1, 300, 100_000])
@pytest.mark.parametrize("options", [{}, {"exact": True}, {"share": False}])
def test_equals_the_plain_computation(
    language_model: LanguageModel, rows: list[EvalRow], form: Any, max_batch_tokens: int, options: dict[str, bool]
) -> None:
    requests = [encode_choices(language_model.tokenizer, row, form) for row in rows]
    scored = score(language_model, requests, max_batch_tokens=max_batch_tokens, **options)
    for request, result in zip(requests, scored, strict=True):
        expected = [plain_loglikelihood(language_model.model, request.context_ids, one) for one in request.continuations]
        assert result.loglikelihoods == pytest.approx(expected, abs=1e-4)
        assert not result.is_cut


@pytest.mark.parametrize("exact", [True, False])
def test_choices_of_many_lengths_share_one_context(language_model: LanguageModel, exact: bool) -> None:
    # Random ids: branches of 1 to 5 tokens, one of them the beginning of another.
    request = ChoiceRequest([5, 9, 200, 31], [[7], [7, 8], [7, 8, 9, 10, 11], [40, 41, 42], [7]])
    other = ChoiceRequest([12], [[100, 101, 102], [103]])
    for result, one in zip(score(language_model, [request, other], exact=exact), [request, other], strict=True):
        expected = [plain_loglikelihood(language_model.model, one.context_ids, tokens) for tokens in one.continuations]
        assert result.loglikelihoods == pytest.approx(expected, abs=1e-4)


def test_a_model_that_ignores_the_tree_mask_is_found_out(language_model: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    request = ChoiceRequest([5, 9, 200, 31], [[7, 8, 3], [50, 51, 52]])
    forward = language_model.model.forward

    def deaf(*arguments: Any, attention_mask: Any = None, **options: Any) -> Any:
        return forward(*arguments, **options)

    monkeypatch.setattr(language_model.model, "forward", deaf)
    expected = [plain_loglikelihood(language_model.model, request.context_ids, tokens) for tokens in request.continuations]
    assert score(language_model, [request])[0].loglikelihoods == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("max_length", [3, 5, 6, 7])
def test_a_long_context_loses_its_beginning_as_in_lm_evaluation_harness(language_model: LanguageModel, max_length: int) -> None:
    request = ChoiceRequest([5, 9, 200, 31, 77], [[7], [8, 3]])
    result = score(language_model, [request], max_length=max_length)[0]
    expected = [plain_loglikelihood(language_model.model, request.context_ids, one, max_length) for one in request.continuations]
    assert result.loglikelihoods == pytest.approx(expected, abs=1e-4)
    assert result.is_cut == (max_length < 6)


def test_unlike_lengths_do_not_share_a_batch(language_model: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Padding costs what tokens do: few long contexts among many short ones must not multiply the work."""
    requests = [ChoiceRequest([5] * length, [[7], [8]]) for length in [200] * 3 + [20] * 60]
    forward = language_model.model.forward
    shapes: list[torch.Size] = []

    def watched(*arguments: Any, input_ids: torch.Tensor, **options: Any) -> Any:
        shapes.append(input_ids.shape)
        return forward(*arguments, input_ids=input_ids, **options)

    monkeypatch.setattr(language_model.model, "forward", watched)
    scored = score(language_model, requests, max_batch_tokens=100_000, exact=True)
    assert sum(shape.numel() for shape in shapes) == 3 * 200 + 60 * 20
    assert len(shapes) == 2
    monkeypatch.undo()
    for request, result in zip(requests, scored, strict=True):
        expected = [plain_loglikelihood(language_model.model, request.context_ids, one) for one in request.continuations]
        assert result.loglikelihoods == pytest.approx(expected, abs=1e-4)


def test_a_request_longer_than_a_sliding_window_is_left_to_the_models_own_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_KINDS, "mistral", (MistralConfig, {"sliding_window": 16}))
    language_model = LanguageModel(str(write_model(tmp_path, "mistral")), "float32", {})
    requests = [ChoiceRequest([5 + index % 90 for index in range(length)], [[7, 8, 3], [50, 51]]) for length in (4, 40)]
    for request, result in zip(requests, score(language_model, requests), strict=True):
        expected = [plain_loglikelihood(language_model.model, request.context_ids, one) for one in request.continuations]
        assert result.loglikelihoods == pytest.approx(expected, abs=1e-4)


def test_progress_counts_every_request_once(language_model: LanguageModel) -> None:
    done: list[int] = []
    requests = [ChoiceRequest([5, index + 3], [[7], [8, 9]]) for index in range(5)]
    score_choices(language_model.model, requests, max_length=512, max_batch_tokens=8, share=False, advance=done.append)
    assert sum(done) == 5


def test_the_verbalizer_form_is_the_raw_text_of_prompt_and_choice(language_model: LanguageModel, rows: list[EvalRow]) -> None:
    row = rows[0]
    request = encode_choices(language_model.tokenizer, row, Form.VERBALIZER)
    assert row.prompt is not None and row.choices is not None
    for choice, ids in zip(row.choices, request.continuations, strict=True):
        expected = encode_continuation(language_model.tokenizer, row.prompt, f" {choice}")
        assert (request.context_ids, ids) == (expected.context_ids, expected.continuation_ids)
        assert language_model.tokenizer.decode(request.context_ids + ids) == f"{row.prompt} {choice}"


def test_the_chat_form_scores_the_trained_tokens_after_the_trained_prompt(language_model: LanguageModel, rows: list[EvalRow]) -> None:
    for row in rows:
        request = encode_choices(language_model.tokenizer, row, Form.CHAT)
        assert row.messages is not None and row.label is not None
        trained = encode_one(language_model.tokenizer, row.messages)
        trained_ids = [token for token, weight in zip(trained.input_ids, trained.loss_weights, strict=True) if weight > 0]
        assert request.continuations[row.label] == trained_ids
        assert request.continuations[row.label][-1] == language_model.tokenizer.eos_token_id
        assert request.context_ids == encode_prompt(language_model.tokenizer, row.messages[:-1])
        assert request.context_ids + trained_ids == trained.input_ids[: len(request.context_ids) + len(trained_ids)]


def test_an_end_of_turn_of_several_tokens_counts_in_every_choice(language_model: LanguageModel) -> None:
    """The reference renders by hand, tokenises the whole text at once, and reads the log-softmax after the prompt."""
    template = CHATML.replace("{{ message['content'] }}<|im_end|>", "{{ message['content'] }}<|endoftext|><|im_end|>")
    assert template != CHATML
    tokenizer = make_tokenizer(template)
    choices = ["positive", "not positive at all", "中性"]
    messages = [{"role": "user", "content": "The soup was great."}, {"role": "assistant", "content": "I say: positive"}]
    row = EvalRow("x", "x", "f", 1, None, "validation", "t", 0, choices, messages, None, None)  # type: ignore[arg-type]
    request = encode_choices(tokenizer, row, Form.CHAT)
    prompt = "<|im_start|>user\nThe soup was great.<|endoftext|><|im_end|>\n<|im_start|>assistant\n"
    context_ids = tokenizer.encode(prompt, add_special_tokens=False)
    expected = []
    for choice in choices:
        whole = tokenizer.encode(f"{prompt}I say: {choice}<|endoftext|><|im_end|>", add_special_tokens=False)
        assert whole[: len(context_ids)] == context_ids and len(whole) - len(context_ids) > 4
        expected.append(plain_loglikelihood(language_model.model, context_ids, whole[len(context_ids) :]))
    assert score(language_model, [request])[0].loglikelihoods == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("form", [Form.CHAT, Form.VERBALIZER])
def test_no_beginning_of_sequence_token_comes_twice(language_model: LanguageModel, rows: list[EvalRow], form: Form) -> None:
    ids = encode_choices(language_model.tokenizer, rows[0], form).context_ids
    bos = language_model.tokenizer.bos_token_id
    assert ids[:2] != [bos, bos]


def test_an_adapter_switched_off_is_the_base_exactly(tiny_model_dir: Path, adapter_dir: Path, rows: list[EvalRow]) -> None:
    plain = LanguageModel(str(tiny_model_dir), "float32", {})
    adapted = LanguageModel(str(tiny_model_dir), "float32", {"runs/first": adapter_dir})
    requests = [encode_choices(plain.tokenizer, row, Form.CHAT) for row in rows]
    base = score(plain, requests)
    with adapted.with_adapter("runs/first") as model:
        tuned = score_choices(model, requests, max_length=512, max_batch_tokens=2048, advance=lambda _done: None)
    with adapted.with_adapter(None) as model:
        off = score_choices(model, requests, max_length=512, max_batch_tokens=2048, advance=lambda _done: None)
    assert off == base
    assert all(abs(a - b) > 1e-3 for x, y in zip(tuned, base, strict=True) for a, b in zip(x.loglikelihoods, y.loglikelihoods, strict=True))


def test_two_adapters_are_kept_apart(tmp_path: Path, tiny_model_dir: Path, adapter_dir: Path, rows: list[EvalRow]) -> None:
    second = make_run(tmp_path / "second.run", tiny_model_dir, seed=2)
    both = LanguageModel(str(tiny_model_dir), "float32", {"a": adapter_dir, "b/../b": second})
    requests = [encode_choices(both.tokenizer, row, Form.CHAT) for row in rows[:3]]
    results = []
    for name in ("a", "b/../b", "a"):
        with both.with_adapter(name) as model:
            results.append(score_choices(model, requests, max_length=512, max_batch_tokens=2048, advance=lambda _done: None))
    assert results[0] == results[2] != results[1]
