"""What a system says for one example, and in which state it ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from templates.calls import CallLoss, ToolCall


class PredictionState(StrEnum):
    """How an example ended. Only the first three carry a prediction that is scored."""

    OK = "ok"
    PROMPT_CUT = "prompt_cut"  # the beginning of the prompt was cut off, as lm-evaluation-harness does for raw text
    UNFINISHED = "unfinished"  # generation reached max_new_tokens, or the end of the context, before an end token
    PROMPT_TOO_LONG = "prompt_too_long"  # a chat cannot be cut without changing what is asked
    NOT_A_NUMBER = "not_a_number"  # the model's scores are NaN or infinite
    ERROR = "error"  # the example cannot be encoded with proof; `detail` says why

    @property
    def meaning(self) -> str:
        """What happened, in words."""
        return _MEANINGS[self]

    @property
    def is_scored(self) -> bool:
        """The prediction counts in metrics."""
        return self in {PredictionState.OK, PredictionState.PROMPT_CUT, PredictionState.UNFINISHED}


_MEANINGS = {
    PredictionState.OK: "the model answered",
    PredictionState.PROMPT_CUT: "the prompt was truncated to the model's context",
    PredictionState.UNFINISHED: "the answer hit the length limit",
    PredictionState.PROMPT_TOO_LONG: "the prompt is longer than the model's context",
    PredictionState.NOT_A_NUMBER: "the model's scores are not numbers",
    PredictionState.ERROR: "the example could not be encoded",
}


TEXT, END = "text", "end"
"""The parts of a document: its own tokens, and its end token."""
CHOSEN, REJECTED = "chosen", "rejected"
"""The parts of a pair."""
WANTED, UNWANTED = "wanted", "unwanted"
"""The part of an answer that is judged by itself."""


def turn_name(number: int) -> str:
    """Returns what the part is called that is one answer of a chat, from 1; earlier answers that are not scored are counted, too."""
    return f"turn {number}"


@dataclass(frozen=True, slots=True)
class PartScore:
    """What a model says of a part of an example: of a text, of an answer, of one turn of a chat.

    Attributes:
        name: `text` and `end`; `chosen` and `rejected`; `wanted` or `unwanted`; or `turn 1`, `turn 2` and so on.
        num_tokens: how many of its tokens are scored.
        loglikelihood: their sum in nats, each token given all before it; None where the model says something else.
        score: what the system ranks answers by; None where nothing is ranked.
        num_bytes: UTF-8 bytes of the text that these tokens say; 0 where nobody asks for it.
    """

    name: str
    num_tokens: int
    loglikelihood: float | None = None
    score: float | None = None
    num_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Prediction:
    """One system's answer to one example.

    Attributes:
        id: of the example.
        state: how it ended.
        text: the chosen word or the written text; None where nothing was predicted.
        loglikelihoods: of each choice, in nats, in the order of the example's `choices`; None for written text.
        detail: why it failed, where it did.
        seed: of the run that answered, where that is one of several; else None.
        of_seeds: what each run of several seeds answered, this one among them; empty where there is one run.
        passages: what was looked up for the example, the nearest first; empty where nothing was near, None where nothing is looked up.
        calls: the calls of tools that were read of the answer; `text` has them behind what is said, as a JSON list.
        call_loss: why a call that the answer holds was not read; None where nothing seems to be lost.
        parts: what the model says of texts that it is given to read: a document, two answers, the answers of a chat; None where it was not
            asked.
    """

    id: str
    state: PredictionState
    text: str | None = None
    loglikelihoods: tuple[float, ...] | None = None
    detail: str | None = None
    seed: int | None = None
    of_seeds: tuple["Prediction", ...] = ()
    passages: tuple[str, ...] | None = None
    calls: tuple[ToolCall, ...] = ()
    call_loss: CallLoss | None = None
    parts: tuple[PartScore, ...] | None = None

    @property
    def answer(self) -> str:
        """The text of a prediction that has one."""
        assert self.text is not None, f"{self.id} has no answer: {self.state}"
        return self.text


def num_seeds(answers: Mapping[str, Prediction]) -> int:
    """Returns how many seeds answered, by example id: 1 where a run has one."""
    return max(len(prediction.of_seeds) or 1 for prediction in answers.values())
