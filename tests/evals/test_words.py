"""Several words a label, and clozes: what is scored is all of a label's words, each with what follows the mask."""

import math
from pathlib import Path

import pytest

from evals.data.rows import EvalRow, load_rows
from evals.predict.requests import encode_choices
from prep.dataset.manifest import Dataset
from templates.chat import encode_continuation
from templates.form import Form
from tests.evals.test_loglikelihood import plain_loglikelihood
from tests.helpers import DEFAULT_TEMPLATE, review, write_dataset
from train.inference.language_model import LanguageModel
from train.inference.loglikelihood import score_choices


@pytest.fixture(scope="module")
def language_model(tiny_model_dir: Path) -> LanguageModel:
    return LanguageModel(str(tiny_model_dir), "float32", {})


WORDS = [["negative", "bad", "not good"], ["positive"]]
CLOZE = {"prompt": "The soup was great. It was [MASK] here.", "mask": "[MASK]", "target": "positive", "messages": None}


def load_row(tmp_path: Path, **more: object) -> EvalRow:
    template = DEFAULT_TEMPLATE.model_copy(update={"verbalizer": dict(zip(("negative", "positive"), WORDS, strict=True))})
    path = write_dataset(tmp_path / "data", [review("Great soup.", 1, split="validation", **more)], templates=[template])
    [row] = load_rows(Dataset.open(path), "validation")[0]
    return row


def scored(language_model: LanguageModel, row: EvalRow) -> tuple[float, ...]:
    request = encode_choices(language_model.tokenizer, row, Form.VERBALIZER)
    model = language_model.model
    return score_choices(model, [request], max_length=512, max_batch_tokens=4096, advance=lambda _: None)[0].loglikelihoods


def test_the_probabilities_of_a_labels_words_are_summed(tmp_path: Path, language_model: LanguageModel) -> None:
    row = load_row(tmp_path)
    assert row.words == (("negative", "bad", "not good"), ("positive",))
    expected = []
    for words in WORDS:
        encoded = [encode_continuation(language_model.tokenizer, row.prompt or "", f" {word}") for word in words]
        values = [plain_loglikelihood(language_model.model, one.context_ids, one.continuation_ids) for one in encoded]
        expected.append(math.log(sum(map(math.exp, values))))
    assert scored(language_model, row) == pytest.approx(expected, abs=1e-4)


def test_words_are_summed_in_a_chat_too(tmp_path: Path, language_model: LanguageModel) -> None:
    request = encode_choices(language_model.tokenizer, load_row(tmp_path), Form.CHAT)
    assert request.words_of_choices == (3, 1)
    endings = [language_model.tokenizer.decode(ids) for ids in request.continuations]
    assert endings == ["negative<|im_end|>", "bad<|im_end|>", "not good<|im_end|>", "positive<|im_end|>"]


def test_a_cloze_is_scored_as_the_word_and_what_follows_the_mask(tmp_path: Path, language_model: LanguageModel) -> None:
    row = load_row(tmp_path, **CLOZE)
    expected = []
    for words in WORDS:
        encoded = [encode_continuation(language_model.tokenizer, "The soup was great. It was ", f"{word} here.") for word in words]
        values = [plain_loglikelihood(language_model.model, one.context_ids, one.continuation_ids) for one in encoded]
        expected.append(math.log(sum(map(math.exp, values))))
    assert scored(language_model, row) == pytest.approx(expected, abs=1e-4)


def test_a_chat_that_ends_on_a_tool_call_is_evaluated(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "time?"}, {"role": "assistant", "content": None}]
    call = '{"messages":[null,{"tool_calls":[{"id":"call_1","type":"function","function":{"name":"clock","arguments":"{}"}}]}]}'
    rows = [{"split": "validation", "messages": messages, "extras": call}, {"split": "validation", "messages": messages, "row_id": "b"}]
    usable, num_other = load_rows(Dataset.open(write_dataset(tmp_path / "data", rows)), "validation")
    assert ([row.reference for row in usable], num_other) == (['[{"name": "clock", "arguments": {}}]', ""], 0)
