"""The second path to what is trained: it takes what chat templates write around an answer, and nothing else."""

from collections.abc import Sequence
from typing import Any

import pytest

from prep.dataset.schema import EXAMPLE_SCHEMA
from templates.chat import Encoded
from templates.form import Form
from tests.conftest import CHATML, make_tokenizer
from tests.train.masked import wordpiece_tokenizer
from train.config import TrainConfig
from train.objectives.base import TokenSequence
from train.objectives.chat import Chat
from train.proofs.trained_answers import _difference

EMPTY = dict.fromkeys(EXAMPLE_SCHEMA.names())
CHAT = [
    {"role": "system", "content": "You sort reviews."},
    {"role": "user", "content": "The soup was great"},
    {"role": "assistant", "content": "  positive "},
    {"role": "user", "content": "Bill"},
    {"role": "assistant", "content": "wrong 2,5 €"},
]
_EMPTY_THOUGHT = "{% if message.role == 'assistant' %}<think>\n\n</think>\n\n{% endif %}"
THINKS = CHATML.replace("{{ message['content'] }}", _EMPTY_THOUGHT + "{{ message['content'] }}")


def chat(messages: Sequence[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {**EMPTY, "messages": list(messages), **more}


def moved(sequence: TokenSequence, by: int) -> TokenSequence:
    """Supervises the tokens that stand so many places further on."""
    ids = sequence.encoded.input_ids
    positions = [position + by for position in sequence.positions if position + by + 1 < len(ids)]
    targets = [ids[position + 1] for position in positions]
    return TokenSequence(sequence.encoded, positions, targets, [1.0] * len(targets))


@pytest.mark.parametrize("template", [CHATML, THINKS, CHATML.replace("message['content'] }}", "message['content'] | trim }}")])
def test_answers_are_told_from_what_is_shifted_cut_or_missing(template: str) -> None:
    tokenizer = make_tokenizer(template)
    row = chat(CHAT)
    sequences = Chat(TrainConfig()).encode(tokenizer, row)
    assert _difference(Form.CHAT, row, sequences, tokenizer) is None
    for by in (-2, -1, 1, 2):
        assert _difference(Form.CHAT, row, [moved(one, by) for one in sequences], tokenizer), by
    sequence = sequences[-1]
    one_answer = TokenSequence(sequence.encoded, sequence.positions[-3:], sequence.targets[-3:], sequence.weights[-3:])
    assert "1 stretches are trained, and it has 2 answers" in str(_difference(Form.CHAT, row, [one_answer], tokenizer))
    other = chat([*CHAT[:-1], {"role": "assistant", "content": "right"}])
    assert "and the answer 'right'" in str(_difference(Form.CHAT, other, sequences, tokenizer))


def test_turns_without_weight_are_no_answers(tokenizer: Any) -> None:
    row = chat(CHAT, extras='{"messages": [null, null, {"weight": 0}]}')
    sequences = Chat(TrainConfig()).encode(tokenizer, row)
    assert _difference(Form.CHAT, row, sequences, tokenizer) is None
    assert _difference(Form.CHAT, chat(CHAT), sequences, tokenizer)


def sequence_of(tokenizer: Any, ids: list[int], first: int = 1, sign: int = 1) -> TokenSequence:
    weights = [float(place >= first) for place in range(len(ids))]
    return TokenSequence.causal(Encoded("", ids, weights, [(0, 0)] * len(ids), []), sign=sign)


def test_windows_of_a_text_follow_each_other(tokenizer: Any) -> None:
    text = "You sort restaurant reviews. The soup was great."
    ids = [*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id]
    row = {**EMPTY, "text": text}
    whole = [sequence_of(tokenizer, ids)]
    windows = [sequence_of(tokenizer, ids[:8]), sequence_of(tokenizer, ids[7:])]
    assert _difference(Form.COMPLETION, row, whole, tokenizer) is None
    assert _difference(Form.COMPLETION, row, windows, tokenizer) is None
    assert _difference(Form.COMPLETION, row, windows[:1], tokenizer)
    assert _difference(Form.COMPLETION, row, [windows[0], sequence_of(tokenizer, ids[8:])], tokenizer), "a token that nothing trains"


def test_of_a_text_of_one_token_its_end_alone_is_trained(tokenizer: Any) -> None:
    (token,) = tokenizer.encode("great", add_special_tokens=False)[:1]
    text = tokenizer.decode([token])
    row = {**EMPTY, "text": text}
    assert _difference(Form.COMPLETION, row, [sequence_of(tokenizer, [token, tokenizer.eos_token_id])], tokenizer) is None
    assert _difference(Form.COMPLETION, row, [sequence_of(tokenizer, [token])], tokenizer), "nothing is trained"
    longer = {**EMPTY, "text": text + " soup"}
    assert _difference(Form.COMPLETION, longer, [sequence_of(tokenizer, [token, tokenizer.eos_token_id])], tokenizer), "its end is missing"


def test_a_choice_is_trained_for_what_it_is(tokenizer: Any) -> None:
    row = {**EMPTY, "prompt": "Soup:", "target": " positive", "choices": ["negative", "positive"], "label": 1}

    def scored(text: str, sign: int) -> TokenSequence:
        prompt = tokenizer.encode("Soup:", add_special_tokens=False)
        return sequence_of(tokenizer, [*prompt, *tokenizer.encode(text, add_special_tokens=False)], len(prompt), sign)

    assert _difference(Form.VERBALIZER, row, [scored(" negative", -1), scored(" positive", 1)], tokenizer) is None
    assert _difference(Form.VERBALIZER, row, [scored(" negative", 1), scored(" positive", -1)], tokenizer)
    assert _difference(Form.VERBALIZER, row, [scored(" neutral", -1), scored(" positive", 1)], tokenizer)


def test_a_word_is_compared_as_its_own_tokens_say_it() -> None:
    tokenizer = wordpiece_tokenizer(["很好很差 Water"])  # which puts spaces between Chinese characters, and lowers the case
    for right, other in (("很好", "很差"), ("Water", "Slow")):
        row = {"target": right, "choices": [right, other]}
        ids = {one: tokenizer.encode(one, add_special_tokens=False) for one in (right, other)}
        good, bad = sequence_of(tokenizer, [2, *ids[right]]), sequence_of(tokenizer, [2, *ids[other]], sign=-1)
        assert _difference(Form.VERBALIZER, row, [good, bad], tokenizer) is None
        assert _difference(Form.VERBALIZER, row, [sequence_of(tokenizer, [2, *ids[other]])], tokenizer)
