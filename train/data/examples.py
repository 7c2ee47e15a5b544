"""A dataset's rows as encoded training examples, with everything that is wrong with them said at once, before a model is loaded."""

from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import polars as pl

from loopwright.errors import UserError, raise_all
from prep.dataset.manifest import Dataset
from templates.chat import EncodeError
from train.config import TrainConfig
from train.data.changes import RowChanges
from train.data.draws import Draws
from train.data.mixture import MixedDataset
from train.objectives.base import Objective, TokenSequence

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class TrainingExample:
    """One example as it is trained.

    Attributes:
        id: the example's id, on which the ledger joins.
        row_id: the raw row's id.
        location: `source:line` of the raw row.
        sequences: what the model reads; as many as the objective makes of the row.
        normalizer: what the example counts for in the mean loss.
        group: what holds rows that are no independent evidence together; the example's id, where it stands alone.
        baseline: what the objective measures its step's baseline on; empty where it has none, or where that exceeds the length limit.
        weight: what the row's loss and its normalizer are multiplied by.
        dataset: the name of its dataset in a mixture; else empty.
    """

    id: str
    row_id: str
    location: str
    sequences: tuple[TokenSequence, ...]
    normalizer: float
    group: str = ""
    baseline: tuple[TokenSequence, ...] = ()
    weight: float = 1.0
    dataset: str = ""

    def as_baseline(self) -> "TrainingExample":
        """Returns the baseline's sequences as an example of their own, to be scored as such."""
        return replace(self, id=f"{self.id}/baseline", sequences=self.baseline, baseline=())

    def apart(self) -> "list[TrainingExample]":
        """Returns an example for each of its sequences; each counts as the whole does, so that what they lose adds up."""
        return [replace(self, sequences=(sequence,)) for sequence in self.sequences]

    @property
    def num_tokens(self) -> int:
        """The tokens of all its sequences."""
        return sum(sequence.num_tokens for sequence in self.sequences)

    @property
    def is_cut(self) -> bool:
        """The chat template leaves out what the assistant opens the chat with."""
        return any(sequence.encoded.left_out for sequence in self.sequences)

    @property
    def longest(self) -> int:
        """The tokens of its longest sequence."""
        return max(sequence.num_tokens for sequence in self.sequences)


@dataclass(frozen=True, slots=True)
class TrainingData:
    """All that a run trains and validates on.

    Attributes:
        train: the train split's examples, in the dataset's order.
        validation: the validation split's.
        too_long: ids that were left out because a sequence of theirs exceeds the length limit (`truncation: drop`).
        other_form: ids that were left out because they are not what the objective trains.
        system_prompt: the system message, where every training example has the same one.
        draws: how an epoch is drawn from several datasets; None where there is one.
    """

    train: list[TrainingExample]
    validation: list[TrainingExample]
    too_long: list[str]
    other_form: list[str]
    system_prompt: str | None
    draws: Draws | None = None

    @property
    def epoch_size(self) -> int:
        """The examples of an epoch."""
        return len(self.train) if self.draws is None else self.draws.epoch_size


def load_examples(
    dataset: Dataset,
    objective: Objective,
    tokenizer: "PreTrainedTokenizerBase",
    config: TrainConfig,
    length_limit: int,
    *,
    changes: RowChanges | None = None,
) -> TrainingData:
    """Reads and encodes the train split, and the validation split where the config wants it.

    Args:
        dataset: the built dataset.
        objective: decides what is trained in an example.
        tokenizer: the base model's.
        config: the run's options.
        length_limit: longest sequence in tokens.
        changes: what is different about the train split.

    Raises:
        UserError: there is nothing to train on; or, all together, one error for each example that cannot be encoded, trains no
            token, or is too long where the config does not say to drop those; or the shares of a mixture do not fit its datasets.
    """
    errors: list[UserError] = []
    too_long: list[str] = []
    encoded: dict[str, list[TrainingExample]] = {"train": [], "validation": []}
    prompts: set[str | None] = set()
    read = _rows(dataset, [split for split in encoded if split == "train" or config.validation])
    if changes is not None:
        mine, others = ([row for row in read if (row["split"] == "train") == is_train] for is_train in (True, False))
        read = [*changes.apply(mine, objective.form), *others]
    other_form = [row["id"] for row in read if not objective.trains(row)]
    fitting = [row for row in read if objective.trains(row)]
    by_split = (objective.complete([row for row in fitting if row["split"] == split]) for split in encoded)
    for row in chain.from_iterable(by_split):
        try:
            example = _encode(row, objective, tokenizer, length_limit)
            if changes is not None and row["split"] == "train":
                example = replace(example, weight=changes.weight(example.id, example.row_id))
            if example.longest <= length_limit:
                encoded[row["split"]].append(example)
                prompts |= {_system_prompt(row)} if row["split"] == "train" else set()
            elif config.truncation == "drop":
                too_long.append(example.id)
            else:
                errors.append(_too_long(example, length_limit))
        except UserError as error:
            errors.append(error)
    raise_all(errors)
    _require_training_rows(dataset, objective, encoded["train"], too_long, other_form)
    system_prompt = prompts.pop() if len(prompts) == 1 else None
    draws = None
    if isinstance(dataset, MixedDataset):
        train = encoded["train"]
        draws = dataset.draws([one.id for one in train], [one.dataset for one in train], config.batch_size)
    return TrainingData(encoded["train"], encoded["validation"], too_long, other_form, system_prompt, draws)


def load_validation(
    dataset: Dataset, objective: Objective, tokenizer: "PreTrainedTokenizerBase", config: TrainConfig, length_limit: int
) -> list[TrainingExample]:
    """Reads and encodes the validation split alone, as `load_examples` does for the run that was trained on the dataset.

    Raises:
        UserError: a row cannot be encoded, or is too long where the config does not say to drop it.
    """
    fitting = [row for row in _rows(dataset, ["validation"]) if objective.trains(row)]
    examples = [_encode(row, objective, tokenizer, length_limit) for row in objective.complete(fitting)]
    too_long = [example for example in examples if example.longest > length_limit]
    if config.truncation != "drop":
        raise_all([_too_long(example, length_limit) for example in too_long])
    return [example for example in examples if example.longest <= length_limit]


def _rows(dataset: Dataset, splits: list[str]) -> list[dict[str, Any]]:
    read = dataset.examples().filter(pl.col("split").is_in(splits)).select(pl.exclude("position", "template", "fields"))
    return read.collect().to_dicts()


def _encode(row: dict[str, Any], objective: Objective, tokenizer: "PreTrainedTokenizerBase", length_limit: int) -> TrainingExample:
    location = f"{row['source']}:{row['line']}" + (f" of '{row['dataset']}'" if row.get("dataset") else "")
    try:
        sequences = objective.encode_within(tokenizer, row, length_limit)
        baseline = objective.encode_baseline(tokenizer, row)
    except EncodeError as error:
        where = f" ({error.location})" if error.location else ""
        raise UserError(f"row {row['row_id']} cannot be trained on: {error.cause}{where}", location, error.remedy) from error
    for sequence in sequences:
        if not (sequence.targets if objective.reads == "tokens" else sequence.encoded.num_trained_tokens):
            which = f" in '{sequence.name}'" if sequence.name else ""
            raise UserError(
                f"row {row['row_id']} has no trained token{which}, so that its loss would read 0.0",
                location,
                "Give it an assistant turn, or leave the row out of the dataset.",
            )
    if any(sequence.num_tokens > length_limit for sequence in baseline):
        baseline = ()  # the row itself may fit
    return TrainingExample(
        row["id"],
        row["row_id"],
        location,
        sequences,
        objective.normalizer(sequences),
        row["group"] or row["id"],
        baseline,
        dataset=row.get("dataset", ""),
    )


def _too_long(example: TrainingExample, length_limit: int) -> UserError:
    return UserError(
        f"row {example.row_id} has {example.longest} tokens, where the limit is {length_limit}",
        example.location,
        "Raise max_length (as far as the model allows), shorten the row, or leave such rows out with truncation: drop.",
    )


def _system_prompt(row: dict[str, Any]) -> str | None:
    first = row["messages"][0] if row["messages"] else None
    return first["content"] if first and first["role"] == "system" else None


def _require_training_rows(
    dataset: Dataset, objective: Objective, train: list[TrainingExample], too_long: list[str], other_form: list[str]
) -> None:
    if train:
        return
    where = str(dataset.path)
    if too_long:
        raise UserError(f"all {len(too_long)} training examples exceed the length limit", where, "Raise max_length.")
    if other_form:
        cause = f"no training example has {objective.trained_rows}, which the objective '{objective.name}' trains"
        raise UserError(cause, where, f"Build the dataset with a template that has {objective.form.column}, or train another objective.")
    raise UserError("the train split is empty", where, "Check 'split:' in the dataset's config, and dropped.jsonl.")
