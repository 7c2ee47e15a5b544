"""What changed between two built datasets: rows added, removed and changed, and why.

Rows are joined on `row_id` and examples on `id`, which no fix, mapping or order changes.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from prep.compare.diff_rows import CAUSES, Tally, tally_rows
from prep.dataset.manifest import Dataset, Manifest
from prep.dataset.splits import SPLIT_NAMES


@dataclass(frozen=True, slots=True)
class ChangedExample:
    """One example that both datasets have, and that differs.

    Attributes:
        cause: a key of `CAUSES`.
        before: the example in the first dataset, with `EXAMPLE_SCHEMA`.
        after: in the second.
    """

    cause: str
    before: dict[str, Any]
    after: dict[str, Any]


@dataclass(frozen=True, slots=True)
class LabelShare:
    """How often a label stands in a split, before and after.

    Attributes:
        template: whose label it is.
        split: the split.
        label: the verbalizer's key.
        before: examples in the first dataset.
        after: examples in the second.
        share_before: of the examples of that template and split which have a label; 0 where there are none.
        share_after: likewise.
    """

    template: str
    split: str
    label: str
    before: int
    after: int
    share_before: float
    share_after: float


@dataclass(frozen=True, slots=True)
class TemplateChange:
    """A template that only one dataset has, or that both have and that differs.

    Attributes:
        name: the template's name.
        change: `added`, `removed` or `edited`.
        before: its version in the first dataset; None where it is added.
        after: its version in the second; None where it is removed.
    """

    name: str
    change: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class DatasetDiff:
    """What changed from one dataset to another. Raw rows are counted; examples apart.

    Attributes:
        before: manifest of the first dataset.
        after: manifest of the second.
        tally: the counts.
        num_examples: template -> examples, in the first dataset and in the second.
        labels: shares of each label.
        templates: templates that differ.
        config: key path of the config -> its values before and after.
        lint: rule -> findings before and after; None where lint was not asked for.
        samples: some changed examples of each cause.
    """

    before: Manifest
    after: Manifest
    tally: Tally
    num_examples: tuple[dict[str, int], dict[str, int]]
    labels: list[LabelShare]
    templates: list[TemplateChange]
    config: dict[str, tuple[Any, Any]]
    lint: dict[str, tuple[int, int]] | None
    samples: list[ChangedExample]

    def count(self, status: str) -> int:
        """Returns the number of raw rows that are `added`, `removed` or `changed`."""
        return sum(number for (one, _, _), number in self.tally.rows.items() if one == status)

    @property
    def by_cause(self) -> dict[str, int]:
        """Raw rows by cause, every cause named: `added + removed + changed` in all."""
        return {cause: sum(number for (_, one, _), number in self.tally.rows.items() if one == cause) for cause in CAUSES}

    def by_reason(self, cause: str) -> dict[str, int]:
        """Returns the rows of `dropped` or `no_longer_dropped` by the reason that dropped.jsonl gives."""
        found = {reason: number for (_, one, reason), number in self.tally.rows.items() if one == cause and reason}
        return dict(sorted(found.items()))

    @property
    def by_template(self) -> dict[str, tuple[int, int]]:
        """Template -> its examples before and after."""
        names = sorted({*self.num_examples[0], *self.num_examples[1]})
        return {name: (self.num_examples[0].get(name, 0), self.num_examples[1].get(name, 0)) for name in names}

    @property
    def is_same(self) -> bool:
        """Whether no row differs."""
        return not self.tally.rows


def diff(before: Path, after: Path, *, with_lint: bool = False, model: str | None = None, num_samples: int = 3) -> DatasetDiff:
    """Compares two built datasets.

    Args:
        before: the first dataset's folder.
        after: the second's.
        with_lint: lint both, and count what each rule finds.
        model: the model whose tokenizer lint's token rules use.
        num_samples: changed examples to give of each cause.

    Raises:
        UserError: a folder is no dataset, or a file of it is damaged.
    """
    one, other = Dataset.open(before), Dataset.open(after)
    with TemporaryDirectory(prefix="loopwright-diff-") as name:
        tally = tally_rows(one, other, Path(name), num_samples)
    return DatasetDiff(
        before=one.manifest,
        after=other.manifest,
        tally=tally,
        num_examples=(_num_examples(one), _num_examples(other)),
        labels=_label_shares(one, other),
        templates=_template_changes(one.manifest, other.manifest),
        config=_config_changes(one.manifest.config, other.manifest.config),
        lint=_lint_counts(before, after, model) if with_lint else None,
        samples=_samples(one, other, tally.ids),
    )


def _num_examples(dataset: Dataset) -> dict[str, int]:
    return dict(dataset.examples().group_by("template").len().collect(engine="streaming").iter_rows())


def _label_shares(before: Dataset, after: Dataset) -> list[LabelShare]:
    counts = [dict(_label_counts(dataset)) for dataset in (before, after)]
    totals: list[Counter[tuple[str, str]]] = [Counter(), Counter()]
    for total, count in zip(totals, counts, strict=True):
        for (template, split, _), number in count.items():
            total[template, split] += number
    order = list[str](SPLIT_NAMES)
    keys = sorted({*counts[0], *counts[1]}, key=lambda key: (key[0], order.index(key[1]), key[2]))
    shares = []
    for key in keys:
        numbers = [count.get(key, 0) for count in counts]
        share = [number / max(total[key[:2]], 1) for number, total in zip(numbers, totals, strict=True)]
        shares.append(LabelShare(*key, *numbers, *share))
    return shares


def _label_counts(dataset: Dataset) -> Iterator[tuple[tuple[str, str, str], int]]:
    labelled = dataset.examples().filter(pl.col("label").is_not_null())
    counted = labelled.group_by("template", "split", "label").len().collect(engine="streaming")
    keys = {template.name: list(template.verbalizer) for template in dataset.manifest.templates}
    for template, split, label, number in counted.iter_rows():
        yield (template, split, keys[template][label]), number


def _template_changes(before: Manifest, after: Manifest) -> list[TemplateChange]:
    old, new = ({template.name: template for template in manifest.templates} for manifest in (before, after))
    changes = []
    for name in sorted({*old, *new}):
        if name not in old:
            changes.append(TemplateChange(name, "added", None, new[name].version))
        elif name not in new:
            changes.append(TemplateChange(name, "removed", old[name].version, None))
        elif old[name].sha256 != new[name].sha256:
            changes.append(TemplateChange(name, "edited", old[name].version, new[name].version))
    return changes


def _config_changes(before: Any, after: Any, path: str = "") -> dict[str, tuple[Any, Any]]:
    """Returns key path -> (value before, value after) of each value of the config that differs."""
    if isinstance(before, dict) and isinstance(after, dict):
        found: dict[str, tuple[Any, Any]] = {}
        for key in dict.fromkeys((*before, *after)):
            found |= _config_changes(before.get(key), after.get(key), f"{path}.{key}" if path else str(key))
        return found
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return _config_changes(dict(enumerate(before)), dict(enumerate(after)), path)
    return {} if before == after else {path: (before, after)}


def _lint_counts(before: Path, after: Path, model: str | None) -> dict[str, tuple[int, int]]:
    from prep.lint.run import LintOptions, lint

    old, new = (lint(path, options=LintOptions(model=model)).summary for path in (before, after))
    return {code: (old.get(code, 0), new.get(code, 0)) for code in sorted({*old, *new})}


def _samples(before: Dataset, after: Dataset, ids: dict[str, list[str]]) -> list[ChangedExample]:
    wanted = [example_id for some in ids.values() for example_id in some]
    old, new = (
        {row["id"]: row for row in dataset.examples().filter(pl.col("id").is_in(wanted)).collect(engine="streaming").iter_rows(named=True)}
        for dataset in (before, after)
    )
    return [ChangedExample(cause, old[example_id], new[example_id]) for cause, some in ids.items() for example_id in some]
