"""What to put into a config so that labels, groups or sources weigh less unevenly, and what it would leave of the train rows.

Shares belong to the dataset, so the fix ledger has no entry for them: the config is the place to fix them.
"""

import json
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch

import yaml

from prep.build.mixture import resampled_sizes
from prep.config import ResampleConfig
from prep.dataset.manifest import Manifest
from prep.lint.detectors.expectations import DeclaredShare
from prep.pii import mask
from prep.sources.source_config import SourceConfig

# Muennighoff et al. 2023 ("Scaling Data-Constrained Language Models"): up to four times, the same rows teach nearly what new ones would.
_MAX_REPEATS = 4


def plan_labels(
    template: str,
    counts: Mapping[str, int],
    fields: Mapping[str, str | None],
    declared: Sequence[DeclaredShare],
    manifest: Manifest | None,
) -> str | None:
    """Returns what to put into the config so that labels are even in train, or as declared, as a clause; None where there is nothing.

    Args:
        template: whose labels these are.
        counts: the train examples of each label, by its word.
        fields: the mapped fields of one row of each, as JSON.
        declared: the shares that are declared; none for even ones.
        manifest: the dataset's; None for a foreign file.
    """
    if manifest is None or manifest.config.get("resample") is not None:
        return None
    words = manifest.template(template).trained_words
    rows = {word: json.loads(row or "{}") for word, row in fields.items()}
    # From the last field: templates declare what is shown before what is answered.
    names = reversed(next(iter(rows.values())))
    by = next((name for name in names if all(_says(row.get(name), word, words) for word, row in rows.items())), None)
    if by is None:
        return None
    sizes = {row[by]: counts[word] for word, row in rows.items() if counts[word]}
    if len(sizes) < 2:
        return None
    if not declared:
        return _plan(sizes, ResampleConfig(by=by))
    if any(not counts.get(one.name) and one.lowest > 0 for one in declared):
        return None  # of what is not there, nothing can be rendered
    to = _shares({rows[one.name][by]: one for one in declared if counts.get(one.name)}, sizes)
    return None if to is None else _plan(sizes, ResampleConfig(by=by, to=to))


def _shares(declared: Mapping[str, DeclaredShare], sizes: Mapping[str, int]) -> dict[str, float] | None:
    """Returns shares of the declared labels that are within their bounds and near what they are; None where the bounds rule that out."""
    low = {value: declared[value].lowest if value in declared else 0.0 for value in sizes}
    high = {value: declared[value].highest if value in declared else 1.0 for value in sizes}
    shares = {value: min(max(size / sum(sizes.values()), low[value]), high[value]) for value, size in sizes.items()}
    # What is missing, or too much, is divided by how far each may still go.
    missing = 1 - sum(shares.values())
    slack = {value: (high if missing > 0 else low)[value] - share for value, share in shares.items()}
    if abs(missing) > abs(sum(slack.values())) + 1e-9:
        return None
    part = missing / sum(slack.values()) if missing else 0.0
    to = {value: int(1e4 * (shares[value] + part * slack[value]) + 1e-6) / 1e4 for value in declared}
    return to if min(to.values()) > 0 else None


def _says(value: object, word: str, words: Mapping[str, str]) -> bool:
    return isinstance(value, str) and (value.strip() == word or words.get(value) == word)


def _plan(sizes: Mapping[str, int], resample: ResampleConfig) -> str | None:
    over, under = (resample.model_copy(update={"how": how}) for how in ("over", "under"))
    rendered = resampled_sizes(sizes, over)
    times = max(-(-target // size) for size, target in rendered)
    said = {
        "over": f"repeats rows up to {times:,} times, {sum(target for _, target in rendered):,} examples in total",
        "under": f"keeps {_left(sizes, under)}",
    }
    first, second = (over, under) if times <= _MAX_REPEATS else (under, over)
    piece = config_piece("resample", first.model_dump())
    return None if piece is None else f"`{piece}` into the config, which {said[first.how]} (`how: {second.how}` {said[second.how]})"


def plan_groups(top: str, size: int, total: int, share: float, manifest: Manifest) -> str | None:
    """Returns what to put into the config so that one group has no more than a share of train, as a clause; None where there is nothing.

    Args:
        top: the largest group.
        size: its train examples.
        total: all train examples that have a group.
        share: what it may have.
        manifest: whose config names the groups' column.
    """
    fields = {_field_of(source["group"], source["fields"]) for source in manifest.config.get("sources", ()) if source["group"]}
    if len(fields) != 1 or manifest.config.get("resample") is not None:
        return None
    resample = ResampleConfig(by=fields.pop(), to={top: share})
    piece = config_piece("resample", resample.model_dump())
    others = "others" if top != "others" else "the others"
    return None if piece is None else f"`{piece}` into the config, which keeps {_left({top: size, others: total - size}, resample)}"


def plan_sources(sizes: Mapping[str, int], share: float, manifest: Manifest) -> str | None:
    """Returns what to put into the config so that the largest source has no more than a share of train, as a clause; None for nothing.

    Args:
        sizes: the train examples of each file.
        share: what the largest may have.
        manifest: whose config names the sources.
    """
    entries = [SourceConfig(**entry) for entry in manifest.config.get("sources", ())]
    counts = [0] * len(entries)
    for file, size in sizes.items():
        places = [place for place, entry in enumerate(entries) if _gives(entry, file)]
        if len(places) != 1:
            return None
        counts[places[0]] += size
    in_train = [count for count in counts if count]
    rest = sum(in_train) - max(in_train, default=0)
    if len(in_train) < 2:
        return None
    largest = min(max(in_train), round(rest * share / (1 - share)))
    unit = min(*in_train, largest)
    weights = [_short(min(count, largest) / unit) if count else None for count in counts]
    weighted = [
        entry.model_dump(mode="json", exclude_defaults=True, exclude_none=True) | ({"weight": weight} if weight else {})
        for entry, weight in zip(entries, weights, strict=True)
    ]
    piece = config_piece("sources", weighted)
    return None if piece is None else f"`{piece}` into the config, which keeps {rest + largest:,} of {sum(in_train):,} train examples"


def _left(sizes: Mapping[str, int], resample: ResampleConfig) -> str:
    return f"{sum(target for _, target in resampled_sizes(sizes, resample)):,} of {sum(sizes.values()):,} train examples"


def _gives(entry: SourceConfig, file: str) -> bool:
    path = entry.path or entry.alias  # rows of a table bear its name
    return file == path or fnmatch(file, path) or file.startswith(f"{path.rstrip('/')}/")


def _field_of(column: str, fields: Mapping[str, str]) -> str:
    return next((field for field, name in fields.items() if name == column), column)


def _short(weight: float) -> float:
    rounded = float(f"{weight:.3g}")
    return int(rounded) if rounded.is_integer() else rounded


def config_piece(key: str, value: object) -> str | None:
    """Returns a key of a config and its value on one line; None if it holds an identifier, which no report may show."""
    dumped = yaml.safe_dump({key: value}, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**9)
    text = dumped.strip()[1:-1]
    return text if mask(text) == text else None
