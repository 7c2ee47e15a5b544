"""How a reward model ranks answers that people have judged: by the scores that it gives them."""

import math
from collections.abc import Sequence
from pathlib import Path

from evals.data.prediction import PartScore, Prediction, PredictionState
from evals.data.rows import RANKED, EvalRow
from evals.predict.parts import AskedParts, encode_answers
from evals.systems.base import EvalContext
from evals.systems.judged import preferred
from loopwright.progress import Advance
from templates.chat import EncodeError
from train.policy.reward_model import RewardModel


def rank_by_reward(context: EvalContext, run: Path, advance: Advance) -> list[Prediction]:
    """Scores the pairs and the judged answers with the reward model of a run, which is loaded for as long as it answers.

    Args:
        context: the examples and the options.
        run: the run's folder; of several seeds, that of one.
        advance: told how many examples are done.

    Raises:
        UserError: the model or what the run saved cannot be loaded.
    """
    config = context.config
    reward = RewardModel.load(run, model=config.model, dtype=config.dtype)
    failed: list[Prediction] = []
    ready: list[tuple[EvalRow, AskedParts]] = []
    for row in (one for one in context.rows if one.task in RANKED):
        try:
            asked = encode_answers(reward.tokenizer, row)
        except EncodeError as error:
            failed.append(Prediction(row.id, PredictionState.ERROR, detail=str(error)))
            continue
        longest = max(map(len, asked.request.sequences))
        if longest > reward.max_length:
            detail = f"the text has {longest} tokens, and the model's context {reward.max_length}"
            failed.append(Prediction(row.id, PredictionState.PROMPT_TOO_LONG, detail=detail))
        else:
            ready.append((row, asked))
    advance(len(failed))
    given = reward.rewards([asked.request.sequences for _, asked in ready], config.max_batch_tokens, advance)
    return failed + [_ranked(row, asked, rewards) for (row, asked), rewards in zip(ready, given, strict=True)]


def _ranked(row: EvalRow, asked: AskedParts, rewards: Sequence[float]) -> Prediction:
    if not all(map(math.isfinite, rewards)):
        return Prediction(row.id, PredictionState.NOT_A_NUMBER, detail="the model gives no finite reward")
    parts = tuple(
        PartScore(name, asked.request.num_tokens(part), score=value)
        for part, (name, value) in enumerate(zip(asked.names, rewards, strict=True))
    )
    return Prediction(row.id, PredictionState.OK, preferred(row, parts), parts=parts)
