"""Questions of general knowledge, put as raw text: base and tuned are asked the same, whatever chat template either was trained with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from evals.forgetting.asked import AskedModel
from evals.forgetting.probes import ChoiceQuestion, NumberQuestion, last_number
from evals.metrics.classification.lengths import best_for_length
from loopwright.hashing import hash_text
from loopwright.progress import Advance
from templates.chat import encode_continuation
from train.inference.generation import generate
from train.inference.loglikelihood import score_choices
from train.inference.requests import ChoiceRequest

Question = TypeVar("Question", ChoiceQuestion, NumberQuestion)

_NEXT = "\nQuestion:"
"""Where a base model that has answered begins to ask by itself."""


@dataclass(frozen=True, slots=True)
class Answered:
    """How a model answered some questions.

    Attributes:
        rights: whether each is answered rightly.
        num_cut: questions whose beginning did not fit the model's context.
    """

    rights: list[bool]
    num_cut: int


def drawn_questions(questions: Sequence[Question], limit: int | None) -> list[Question]:
    """Returns so many of some questions, drawn by a hash of their text and kept in their order, or all of them."""
    if limit is None or limit >= len(questions):
        return list(questions)
    keys = [hash_text(one.question, str(place)) for place, one in enumerate(questions)]
    chosen = set(sorted(range(len(questions)), key=keys.__getitem__)[:limit])
    return [one for place, one in enumerate(questions) if place in chosen]


def choose_answers(asked: AskedModel, questions: Sequence[ChoiceQuestion], advance: Advance) -> Answered:
    """Answers each question by the choice of the highest log-likelihood for each of its characters (`acc_norm` of lm-evaluation-harness).

    The choices are scored as texts behind `Question: ...\\nAnswer:`, as small models know answers long before they know letters for them.
    A question with a score that is no number counts as answered wrongly.

    Args:
        asked: base or tuned.
        questions: what is asked.
        advance: told how many questions are done.
    """
    requests = []
    for one in questions:
        encoded = [encode_continuation(asked.tokenizer, _prompt(one.question), f" {choice}") for choice in one.choices]
        requests.append(ChoiceRequest(encoded[0].context_ids, [found.continuation_ids for found in encoded]))
    scored = score_choices(asked.model, requests, max_length=asked.max_length, max_batch_tokens=asked.max_batch_tokens, advance=advance)
    rights = []
    for one, found in zip(questions, scored, strict=True):
        rights.append(best_for_length(found.loglikelihoods, list(map(len, one.choices))) == one.answer)
    return Answered(rights, sum(found.is_cut for found in scored))


def write_answers(asked: AskedModel, questions: Sequence[NumberQuestion], max_new_tokens: int, advance: Advance) -> Answered:
    """Answers each question greedily; right is an answer that ends on the very number.

    What a model writes behind its answer, a question of its own, is not read. A question that leaves no room for an answer is cut at its
    beginning.

    Args:
        asked: base or tuned.
        questions: what is asked.
        max_new_tokens: of the longest answer.
        advance: told how many questions are done.
    """
    room = max(1, asked.max_length - max_new_tokens)
    # The same beginning as that of a question with choices; what follows plays no part in it.
    ids = [encode_continuation(asked.tokenizer, _prompt(one.question), " x").context_ids for one in questions]
    written = generate(
        asked.model,
        asked.tokenizer,
        [one[-room:] for one in ids],
        end_ids=asked.end_ids,
        max_new_tokens=max_new_tokens,
        max_length=asked.max_length,
        max_batch_tokens=asked.max_batch_tokens,
        advance=advance,
    )
    answers = [one.text.partition(_NEXT)[0] for one in written]
    rights = [last_number(text) == one.answer for text, one in zip(answers, questions, strict=True)]
    return Answered(rights, sum(len(one) > room for one in ids))


def _prompt(question: str) -> str:
    return f"Question: {question}\nAnswer:"
