"""Proof: the model ends its answers by itself. One that was never taught the end token writes on until it is cut."""

from typing import TYPE_CHECKING, Any

import polars as pl

from prep.dataset.manifest import Dataset
from prep.dataset.messages import messages_of
from templates.chat import AnswerFrame, encode_prompt, frame_answer
from templates.form import Form
from train.inference.generation import all_end_ids, answer_limit, generate
from train.proofs.saved_weights import FEWEST_STEPS
from train.runs.proof import Proof

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from train.models.load import Model

_NUM_PROMPTS, _FEWEST_ENDED = 16, 12


def why_not_judged(form: Form, num_steps: int, num_validation: int) -> str | None:
    """Says why a run's answers are not judged; None where they are."""
    if form != Form.CHAT:
        return f"the form that is trained is {form}, in which no turn ends"
    if num_steps < FEWEST_STEPS:
        return f"the run has {num_steps} steps, and this is judged from {FEWEST_STEPS} on"
    if num_validation < _NUM_PROMPTS:
        return f"there are {num_validation} validation examples, and this takes {_NUM_PROMPTS}"
    return None


def prove_answers_stop(model: "Model", tokenizer: "PreTrainedTokenizerBase", dataset: Dataset) -> Proof:
    """Has 16 validation prompts answered greedily, within as many tokens as `evals run` gives by default.

    Args:
        model: the tuned model, by its own attention.
        tokenizer: the run's.
        dataset: the rows.
    """
    context = getattr(model.config, "max_position_embeddings", None)
    prompts: list[list[int]] = []
    frames: set[AnswerFrame] = set()
    for found in (messages_of(row) for row in _rows(dataset, "validation")):
        if found.answer is not None and len(prompts) < _NUM_PROMPTS:
            asked = found.said()[:-1], found.tools
            prompt = encode_prompt(tokenizer, *asked)
            if context is None or len(prompt) < context:
                prompts.append(prompt)
                frames.add(frame_answer(tokenizer, *asked))
    if len(prompts) < _NUM_PROMPTS:
        return Proof.not_applicable(f"{len(prompts)} validation examples end on an answer, and this takes {_NUM_PROMPTS}")
    limit = answer_limit(_longest_answer(dataset, tokenizer)) + max(frame.num_tokens(tokenizer) for frame in frames)
    was_training = model.training
    written = generate(
        model.eval(),
        tokenizer,
        prompts,
        end_ids=set().union(*(all_end_ids(model, frame) for frame in frames)),
        max_new_tokens=limit,
        max_length=context,
        max_batch_tokens=1 << 30,
        enough=_FEWEST_ENDED,
    )
    model.train(was_training)
    num_ended = sum(answer.is_finished for answer in written)
    return Proof.at_least(
        num_ended, _FEWEST_ENDED, f"answers of {_NUM_PROMPTS} that ended by themselves within {limit} tokens; counted up to {_FEWEST_ENDED}"
    )


def _rows(dataset: Dataset, split: str) -> list[dict[str, Any]]:
    return dataset.examples(split).filter(pl.col("forms").list.contains(Form.CHAT.value)).collect().to_dicts()


def _longest_answer(dataset: Dataset, tokenizer: "PreTrainedTokenizerBase") -> int:
    found = (messages_of(row).answer for row in _rows(dataset, "train"))
    answers = [answer["content"] or answer.get("refusal") or "" for answer in found if answer is not None]
    return max(map(len, tokenizer(answers, add_special_tokens=False, verbose=False)["input_ids"]), default=0)
