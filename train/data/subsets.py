"""Nested parts of a train split: each smaller one within each larger one, groups whole, labels in their shares."""

from collections.abc import Collection, Sequence
from pathlib import Path

import polars as pl

from loopwright.files import atomic_dir, os_errors
from loopwright.hashing import hash_file, hash_text
from prep.dataset.manifest import FORMAT, MANIFEST_NAME, Dataset

_EXAMPLES = "examples.parquet"


def nested_subsets(dataset: Dataset, shares: Sequence[float], seed: int) -> list[set[str]]:
    """Returns the ids of the train examples of each share, a function of the seed and of each row's group and label alone.

    Groups are put in an order by their hash, those of each label by themselves, and a share takes as many from the front: a group that
    is in one share is in each larger one, and each label keeps its own share of the rows as far as whole groups let it.

    Args:
        dataset: the whole dataset.
        shares: above 0, up to 1.
        seed: decides the order.
    """
    rows = dataset.examples("train").select("id", pl.coalesce("group", "id").alias("group"), "label").collect()
    of_groups = rows.group_by("group").agg(pl.col("label").mode().min(), pl.len().alias("count"))
    hashes = pl.Series("hash", [hash_text(str(seed), "subset", group) for group in of_groups["group"]], dtype=pl.String())
    ordered = of_groups.with_columns(hashes).sort("hash")
    done, total = pl.col("count").cum_sum().over("label"), pl.col("count").sum().over("label")
    # By the middle of each group's rows among its label's: the rounding leans neither way.
    placed = ordered.with_columns(place=(done - pl.col("count") / 2) / total)
    by_row = rows.join(placed.select("group", "place"), on="group", how="left")
    return [set(by_row.filter(pl.col("place") < share)["id"]) for share in shares]


def write_subset(dataset: Dataset, train_ids: Collection[str], parent: Path) -> Path:
    """Writes a dataset that has some of the train examples and all others; one that is there already is left as it is.

    It is a dataset like any other, with a key of its own: a run on it is resumed, proven and evaluated as one on the whole.

    Args:
        dataset: the whole dataset.
        train_ids: the train examples that it is to have.
        parent: the folder that holds all such datasets, each in a folder named by its key.

    Returns:
        The dataset's folder.

    Raises:
        UserError: it cannot be written.
    """
    key = hash_text("subset", dataset.manifest.key, *sorted(train_ids))
    folder = parent / key[:16]
    if (folder / MANIFEST_NAME).exists():
        return folder
    chosen = dataset.examples().filter((pl.col("split") != "train") | pl.col("id").is_in(list(train_ids)))
    frame = chosen.with_columns(position=pl.int_range(pl.len(), dtype=pl.Int64).over("split")).collect()
    splits = {split: frame.filter(pl.col("split") == split).height for split in dataset.manifest.splits}
    with atomic_dir(folder) as new, os_errors():
        frame.write_parquet(new / _EXAMPLES)
        manifest = dataset.manifest.model_copy(
            update={
                "format": FORMAT,
                "key": key,
                "examples": frame.height,
                "splits": splits,
                "files": {_EXAMPLES: hash_file(new / _EXAMPLES)},
            }
        )
        (new / MANIFEST_NAME).write_text(manifest.model_dump_json(indent=2), encoding="utf-8")
    return folder
