"""Several datasets as one: their rows, whose ids begin with the dataset's name, and how much of each an epoch takes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from loopwright.errors import UserError
from loopwright.hashing import hash_text
from prep.dataset.manifest import Dataset
from train.config import MixtureConfig
from train.data.draws import Draws, apportion

SEPARATOR = "/"
"""Stands between a dataset's name and the id that an example has there."""
_WHERE = "mixture.datasets"


@dataclass(frozen=True, slots=True)
class Mixture:
    """Which datasets are mixed, and how.

    Attributes:
        paths: name -> a built dataset's folder.
        weights: name -> what its share is proportional to; empty: its size, by the temperature.
        temperature: shares are proportional to size^(1/temperature).
        epoch_size: examples of an epoch; None: as many as all that are not replayed, and those that are replayed on top.
        replay: the share of an epoch that is drawn from the datasets that are replayed, by their size; 0 where none is.
        replayed: the names of those: train rows of theirs are trained on, and none of their other rows is looked at.
    """

    paths: dict[str, Path]
    weights: dict[str, float] = field(default_factory=dict)
    temperature: float = 1.0
    epoch_size: int | None = None
    replay: float = 0.0
    replayed: frozenset[str] = frozenset()

    @classmethod
    def of(cls, config: MixtureConfig, folder: Path) -> "Mixture":
        """Returns what a config asks for, whose paths are relative to a folder."""
        return cls(
            {name: folder / one.path for name, one in config.datasets.items()},
            {name: one.weight for name, one in config.datasets.items() if one.weight is not None},
            config.temperature or 1.0,
            config.epoch_size,
        )

    def counts(self, sizes: dict[str, int]) -> dict[str, int]:
        """Returns how many examples an epoch takes of each dataset.

        Args:
            sizes: name -> its training examples.

        Raises:
            UserError: a share is so small that an epoch takes none.
        """
        own = {name: size for name, size in sizes.items() if name not in self.replayed}
        size = self.epoch_size or round(sum(own.values()) / (1 - self.replay))
        shares = {name: self.weights.get(name, own[name] ** (1 / self.temperature)) for name in own}
        again = {name: self.weights.get(name, sizes[name]) for name in sizes if name in self.replayed}
        shares = _scaled(shares, 1 - self.replay) | _scaled(again, self.replay)
        counts = apportion(shares, size)
        none = next((name for name, count in counts.items() if not count), None)
        if none is not None:
            cause = f"the share of '{none}' is {shares[none]:.2g}, of which an epoch of {size} examples has none"
            raise UserError(cause, f"{_WHERE}.{none}", "Raise its weight or epoch_size, or leave it out.")
        return counts

    def open(self) -> "MixedDataset":
        """Opens the datasets.

        Raises:
            UserError: one is not there or damaged, one is named twice, or they want the chat template used in different ways.
        """
        parts = {name: Dataset.open(path) for name, path in self.paths.items()}
        names: dict[Path, str] = {}
        for name, part in parts.items():
            if (twin := names.setdefault(part.path.resolve(), name)) != name:
                raise UserError(
                    f"'{twin}' and '{name}' are the same folder", str(part.path), "Name it once, with the weight that it is to have."
                )
        first_name, first = next(iter(parts.items()))
        for name, part in parts.items():
            if part.manifest.chat_template != first.manifest.chat_template:
                cause = f"'{first_name}' and '{name}' want the chat template used in different ways, and a run has one"
                raise UserError(cause, str(part.path), "Build them with the same 'chat_template:'.")
        key = hash_text("mixture", *(text for name, part in parts.items() for text in (name, part.manifest.key)))
        manifest = first.manifest.model_copy(
            update={
                "name": "mixture",
                "key": key,
                "config": {"chat_template": first.manifest.config.get("chat_template")},
                "templates": [template for part in parts.values() for template in part.manifest.templates],
            }
        )
        return MixedDataset(first.path, manifest, self, parts)


@dataclass(frozen=True, slots=True)
class MixedDataset(Dataset):
    """Several datasets, read as one.

    Attributes:
        path: of the first of them.
        manifest: what is said of all of them together; what is said of one alone stands in its own.
        mixture: how they are mixed.
        parts: name -> the dataset.
    """

    mixture: Mixture
    parts: dict[str, Dataset]

    def examples(self, split: str | None = None) -> pl.LazyFrame:
        """Returns the examples of all, with `dataset` beside `EXAMPLE_SCHEMA`. Ids and groups begin with the dataset's name.

        Of a dataset that is replayed, there are the train rows alone.
        """
        frames = []
        for name, part in self.parts.items():
            frame = part.examples(split)
            if name in self.mixture.replayed:
                frame = frame.filter(pl.col("split") == "train")
            named = (pl.concat_str(pl.lit(name + SEPARATOR), column).alias(column) for column in ("id", "group"))
            frames.append(frame.with_columns(*named, dataset=pl.lit(name)))
        return pl.concat(frames)

    def draws(self, ids: Sequence[str], datasets: Sequence[str], batch_size: int) -> Draws:
        """Returns how epochs are drawn from the training examples.

        Args:
            ids: of all training examples.
            datasets: the name of the dataset of each.
            batch_size: the examples of a step.

        Raises:
            UserError: a dataset has none, or its share does not fit its size.
        """
        places: dict[str, list[int]] = {name: [] for name in self.parts}
        for place, name in enumerate(datasets):
            places[name].append(place)
        empty = next((name for name, own in places.items() if not own), None)
        if empty is not None:
            cause = f"'{empty}' has no example that the run could train on: none in its train split, none of the form, or all too long"
            raise UserError(cause, str(self.parts[empty].path), "Leave it out of the mixture, or build it with what the objective trains.")
        draws = Draws(list(ids), places, self.mixture.counts({name: len(own) for name, own in places.items()}))
        draws.require_apart(batch_size)
        return draws


def _scaled(shares: dict[str, float], total: float) -> dict[str, float]:
    """Returns shares that add up to a number."""
    return {name: share / sum(shares.values()) * total for name, share in shares.items()}


def open_dataset(source: Path | Mixture) -> Dataset:
    """Opens what a run trains on: one dataset, or several.

    Raises:
        UserError: it is not there, or damaged.
    """
    return source.open() if isinstance(source, Mixture) else Dataset.open(source)


def first_path(source: Path | Mixture) -> Path:
    """Returns the folder of the dataset, or of the first of several."""
    return next(iter(source.paths.values())) if isinstance(source, Mixture) else source


def own_ids(frame: pl.DataFrame) -> pl.DataFrame:
    """Returns rows by the ids that they have in their own datasets, whose names stand in the column `dataset`."""
    parts = pl.col("id").str.splitn(SEPARATOR, 2).struct
    return frame.with_columns(id=parts.field("field_1"), dataset=parts.field("field_0"))
