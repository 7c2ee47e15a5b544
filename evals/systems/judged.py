"""How a language model ranks answers that people have judged: by their likelihood, or by what its run was trained to compare."""

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evals.data.prediction import CHOSEN, PartScore, Prediction, PredictionState
from evals.data.rows import RANKED, EvalRow, Task
from evals.predict.parts import encode_answers
from evals.systems.base import EvalContext
from evals.systems.read import Read, read_rows
from loopwright.progress import Advance
from templates.chat_options import options_of
from train.methods.started import Start, find_start
from train.objectives.preference import Preference
from train.objectives.unpaired import Unpaired
from train.runs.record import RunRecord

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Ranking(StrEnum):
    """What a model ranks answers by."""

    LIKELIHOOD = "likelihood"
    """Of a pair, whose answers have one prompt: log p(answer). Of answers to unlike prompts: its mean over the tokens."""
    MEAN = "mean"
    """The mean of log p(answer) over its tokens, which SimPO compares, and by their odds ORPO."""
    RATIO = "ratio"
    """The implicit reward: log p(answer) - log p_reference(answer), which DPO and KTO compare."""
    MEAN_RATIO = "mean ratio"
    """That over the answer's tokens: DPO with `length_normalized`."""

    @property
    def has_reference(self) -> bool:
        """Whether it compares with the model that the run began with."""
        return self in {Ranking.RATIO, Ranking.MEAN_RATIO}

    def score(self, part: PartScore, reference: PartScore | None, task: Task) -> float:
        """Returns what an answer is ranked by."""
        assert part.loglikelihood is not None
        if self.has_reference:
            assert reference is not None and reference.loglikelihood is not None
            ratio = part.loglikelihood - reference.loglikelihood
            return ratio / part.num_tokens if self is Ranking.MEAN_RATIO else ratio
        if self is Ranking.MEAN or task is Task.UNPAIRED:
            return part.loglikelihood / part.num_tokens
        return part.loglikelihood

    @classmethod
    def of(cls, record: RunRecord) -> "Ranking":
        """Returns what a run was trained to compare; of one that compared nothing, the likelihood."""
        if record.objective == Unpaired.name:
            return cls.RATIO
        if record.objective != Preference.name:
            return cls.LIKELIHOOD
        if (record.config.get("loss") or Preference.losses[0]) != "dpo":
            return cls.MEAN
        options: Mapping[str, Any] = record.config.get("dpo") or {}
        return cls.MEAN_RATIO if options.get("length_normalized") else cls.RATIO


def reference_folders(runs: Mapping[str, RunRecord]) -> dict[str, Path]:
    """Returns the weights of runs with which runs began that compare with them, by what the loaded model calls them."""
    ratios = (record for record in runs.values() if Ranking.of(record).has_reference)
    starts = (find_start(record) for record in ratios)
    return {str(start.weights): start.weights for start in starts if isinstance(start, Start)}


def rank_answers(context: EvalContext, adapter: str | None, advance: Advance) -> list[Prediction]:
    """Scores the pairs and the judged answers with the model, one adapter switched on or all of them off, and ranks them.

    Args:
        context: the examples and what systems share.
        adapter: the run's name; None: the base.
        advance: told how many examples are done.
    """
    rows = [row for row in context.rows if row.task in RANKED]
    if not rows:
        return []
    tokenizer = context.require_model().tokenizer_of(adapter)
    found = _read(context, adapter, tokenizer, rows, advance)
    ranking = Ranking.LIKELIHOOD
    reference: Read = {}
    if adapter is not None:
        record = RunRecord.load(Path(adapter))
        ranking = Ranking.of(record)
        start = find_start(record) if ranking.has_reference else None
        if isinstance(start, str):
            context.notes.append(f"{adapter} ranks answers by their likelihood, and not by its implicit reward: {start}")
            ranking = Ranking.LIKELIHOOD
        elif ranking.has_reference:  # asked as the run was trained
            reference = _read(context, None if start is None else str(start.weights), tokenizer, rows, lambda _done: None)
    return [_ranked(row, found[row.id], reference.get(row.id), ranking) for row in rows]


def _read(context: EvalContext, adapter: str | None, tokenizer: "PreTrainedTokenizerBase", rows: list[EvalRow], advance: Advance) -> Read:
    """Reads the answers, or takes what was read of them before: the base is asked as a system and as a reference."""
    key = adapter, options_of(tokenizer)
    if key in context.read:
        advance(len(rows))
    else:
        with context.require_model().with_adapter(adapter) as model:
            context.read[key] = read_rows(context, model, rows, lambda row: encode_answers(tokenizer, row), advance)
    return context.read[key]


def _ranked(
    row: EvalRow, found: tuple[PartScore, ...] | Prediction, reference: tuple[PartScore, ...] | Prediction | None, ranking: Ranking
) -> Prediction:
    for one in (found, reference):
        if isinstance(one, Prediction):
            return one
    assert isinstance(found, tuple)
    others = reference if isinstance(reference, tuple) else (None,) * len(found)
    parts = tuple(replace(part, score=ranking.score(part, other, row.task)) for part, other in zip(found, others, strict=True))
    return Prediction(row.id, PredictionState.OK, preferred(row, parts), parts=parts)


def preferred(row: EvalRow, parts: tuple[PartScore, ...]) -> str | None:
    """Returns the text of the answer of a pair that is ahead; None where neither is, or an answer is judged by itself."""
    scores = [part.score for part in parts]
    if row.task is not Task.PREFERENCE or len(scores) < 2 or scores[0] is None or scores[1] is None or scores[0] == scores[1]:
        return None
    ahead = parts[0] if scores[0] > scores[1] else parts[1]
    messages = row.messages if ahead.name == CHOSEN else row.rejected
    return (messages[-1]["content"] or "") if messages else None
