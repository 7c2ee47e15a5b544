"""Proof: the trained ids, decoded, are the answers of the dataset's rows. A second path: the function that makes the mask is not asked."""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from loopwright.hashing import hash_text
from prep.dataset.manifest import Dataset
from templates.form import Form
from train.data.examples import TrainingExample
from train.objectives.base import Objective, TokenSequence
from train.runs.proof import Proof

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Decoding takes about a millisecond a row; more rows of the same templates say nothing new.
_MOST_ROWS = 1000
CHANGED_ROWS = "the run went on from another one with changed rows, which the dataset does not hold"
"""Why the answers of some runs cannot be compared."""
# What chat templates write between their header and an answer, such as a closed thought or the name of a channel: it begins with a mark.
_FRAME = re.compile(r"\s*(<[^<>]+>[^<>]*)*")
_HEADER = re.compile(r"\b(assistant|model)\b")


def trained_ids_hash(examples: Sequence[TrainingExample]) -> str:
    """Returns a hash of what is asked of the model in training: ids, positions and weights, in the order of the examples."""
    parts = (
        json.dumps([example.id, [(one.encoded.input_ids, one.positions, one.targets, one.weights) for one in example.sequences]])
        for example in examples
    )
    return hash_text(*parts)


def prove_trained_answers(
    dataset: Dataset, objective: Objective, tokenizer: "PreTrainedTokenizerBase", examples: Sequence[TrainingExample], recorded_hash: str
) -> Proof:
    """Compares the decoded trained ids of up to 1,000 examples with the raw rows, and all ids with those that the run trained on.

    Args:
        dataset: the rows.
        objective: what was trained.
        tokenizer: the run's.
        examples: the training examples.
        recorded_hash: `trained_ids_hash` of the run.
    """
    if trained_ids_hash(examples) != recorded_hash:
        return Proof(passed=False, reason="the run trained on other ids than these rows give")
    if objective.reads == "values":
        return Proof.not_applicable(f"the objective '{objective.name}' trains no token: it reads one value of a whole answer")
    chosen = examples[:: -(-len(examples) // _MOST_ROWS)]
    rows = {row["id"]: row for row in dataset.examples("train").collect().to_dicts()}
    compared = [(example, rows[example.id]) for example in chosen if example.id in rows]
    wrong = [(example, problem) for example, row in compared if (problem := _difference(objective.form, row, example.sequences, tokenizer))]
    reason = f"rows of {len(compared)} compared whose decoded trained ids are not their answers"
    if wrong:
        example, problem = wrong[0]
        reason += f"; the first is {example.row_id} ({example.location}): {problem}"
    return Proof.at_most(len(wrong), 0, reason)


def _difference(form: Form, row: dict[str, Any], sequences: Sequence[TokenSequence], tokenizer: "PreTrainedTokenizerBase") -> str | None:
    """Says in what the trained ids of a row differ from what the row holds; None where they do not."""
    if form == Form.COMPLETION:
        return _text_difference(row["text"], sequences, tokenizer)
    if form == Form.VERBALIZER:
        return _target_difference(row, sequences, tokenizer)
    if form == Form.PREFERENCE:
        answers = {one.name: [message for message in row[one.name] or () if message["role"] == "assistant"] for one in sequences}
        found = (_answers_difference(answers[one.name], _runs(one), tokenizer, last=True) for one in sequences)
        return next((problem for problem in found if problem), None)
    runs = [run for sequence in sequences for run in _runs(sequence)]
    # What the assistant opens a chat with, some templates leave out; which is counted and said elsewhere.
    return _answers_difference(_answers(row), runs, tokenizer, last=any(one.encoded.left_out for one in sequences))


def _answers(row: dict[str, Any]) -> list[dict[str, Any]]:
    """Reads the answers that have weight out of a raw row, with their thoughts and calls."""
    beside = (json.loads(row["extras"]) if row["extras"] else {}).get("messages") or []
    found = [{**message, **(beside[index] or {} if index < len(beside) else {})} for index, message in enumerate(row["messages"])]
    return [message for message in found if message["role"] == "assistant" and message.get("weight", 1) != 0]


def _runs(sequence: TokenSequence) -> Iterator[list[int]]:
    """Yields the ids of each unbroken stretch of supervised tokens."""
    tokens = enumerate(zip(sequence.positions, sequence.targets, strict=True))
    for _, run in groupby(tokens, key=lambda token: token[1][0] - token[0]):
        yield [target for _, (_, target) in run]


def _answers_difference(
    answers: Sequence[dict[str, Any]], runs: Iterator[list[int]] | list[list[int]], tokenizer: "PreTrainedTokenizerBase", *, last: bool
) -> str | None:
    found = list(runs)
    if last:
        answers, found = answers[-min(len(answers), len(found)) :], found[-min(len(answers), len(found)) :]
    if len(answers) != len(found):
        return f"{len(found)} stretches are trained, and it has {len(answers)} answers"
    return next(
        (problem for answer, run in zip(answers, found, strict=True) if (problem := _answer_difference(answer, run, tokenizer))), None
    )


def _answer_difference(answer: dict[str, Any], run: list[int], tokenizer: "PreTrainedTokenizerBase") -> str | None:
    special = {token_id for token_id, token in tokenizer.added_tokens_decoder.items() if token.special}
    text = _decode(tokenizer, run)
    if run[-1] not in special:
        return f"{text!r} does not end in an end token"
    said = _decode(tokenizer, run[:-1])
    if calls := answer.get("tool_calls"):
        return next((f"{said!r} lacks the call of {name}" for call in calls if (name := call["function"]["name"]) not in said), None)
    content = answer["content"] or answer.get("refusal") or ""
    for wanted in (content.strip(), _decode(tokenizer, tokenizer.encode(content, add_special_tokens=False)).strip()):
        lead, is_there, tail = said.rpartition(wanted) if wanted else (said, True, "")
        lead = lead.replace((answer.get("reasoning") or "").strip(), "", 1)
        if is_there and _is_frame(lead) and _is_frame(tail):
            return None
    return f"trained is {text!r}, and the answer {content!r}"


def _is_frame(text: str) -> bool:
    """Says whether a text is none of the answer: white space, or marks of the template, but not the header of the turn."""
    return _FRAME.fullmatch(text) is not None and _HEADER.search(text) is None


def _target_difference(row: dict[str, Any], sequences: Sequence[TokenSequence], tokenizer: "PreTrainedTokenizerBase") -> str | None:
    target = _as_decoded(row["target"], tokenizer)
    wanted = {one for text in row["choices"] or () for one in _as_decoded(text, tokenizer)} | target
    for sequence in sequences:
        text = _decode(tokenizer, sequence.targets, skip_special_tokens=True).strip()
        right = sequence.sign > 0
        if not text or not any(one.endswith(text) for one in (target if right else wanted)):
            return f"trained is {text!r}, and the {'target' if right else 'choice'} {row['target'] if right else sequence.name!r}"
    return None


def _as_decoded(text: str, tokenizer: "PreTrainedTokenizerBase") -> set[str]:
    """Returns a text, and what its own tokens say of it: BERT's puts spaces between Chinese characters, and may lower the case."""
    return {text.strip(), _decode(tokenizer, tokenizer.encode(text, add_special_tokens=False)).strip()} - {""}


def _text_difference(document: str, sequences: Sequence[TokenSequence], tokenizer: "PreTrainedTokenizerBase") -> str | None:
    """The windows of a document follow each other; its first token, which may be all of it, may have nothing before it that predicts it."""
    targets = [target for sequence in sequences for target in sequence.targets]
    text = _decode(tokenizer, targets, skip_special_tokens=True).strip()
    first = _decode(tokenizer, sequences[0].encoded.input_ids[:1], skip_special_tokens=True)
    if targets and document.strip() in {text, (first + text).strip()} | {f"{first} {text}".strip()}:
        return None
    return f"trained is {text[:80]!r}, and the text {document[:80]!r}"


def _decode(tokenizer: "PreTrainedTokenizerBase", ids: list[int], *, skip_special_tokens: bool = False) -> str:
    text: str = tokenizer.decode(ids, skip_special_tokens=skip_special_tokens, clean_up_tokenization_spaces=False)
    return text
