"""What a report says first: from what to what, what was mended and what broke, and against what is plain and cheap."""

from collections.abc import Mapping, Sequence

from evals.compare.compared import Compared
from evals.compare.verdict import against_baselines
from evals.data.contract import BaselineComparison, Headline
from evals.data.judgement import Judgement
from evals.data.role import Role
from evals.data.rows import EvalRow


def make_headline(found: Compared) -> Headline:
    """Returns the headline of the system that the report is about: the tuned one, else the base, else the first."""
    system = found.subject
    against = next((label for label, role in found.roles.items() if role is Role.BASE and label != system), None)
    fixed, broken = (0, 0) if against is None else _changes(found.rows, found.judgements[against], found.judgements[system])
    before = None if against is None else found.values[against].get(found.primary)
    after = found.values[system].get(found.primary)
    made = Headline(
        system=system,
        against=against,
        metric=found.primary,
        before=before.value if before is not None else None,
        after=after.value if after is not None else None,
        fixed=fixed,
        broken=broken,
        baselines=against_baselines(system, found.roles, found.pairs, found.primary, found.level),
        last_round=found.last_round.get(found.primary),
        sentence="",
    )
    return made.model_copy(update={"sentence": _sentence(made, found)})


def _changes(rows: Sequence[EvalRow], before: Mapping[str, Judgement], after: Mapping[str, Judgement]) -> tuple[int, int]:
    """Returns how many examples fail before and not after, and the contrary."""
    both = [row.id for row in rows if row.id in before and row.id in after]
    fixed = sum(before[id_].has_failed and not after[id_].has_failed for id_ in both)
    broken = sum(after[id_].has_failed and not before[id_].has_failed for id_ in both)
    return fixed, broken


def _sentence(headline: Headline, found: Compared) -> str:
    """Returns the headline in words."""
    value = _number(headline.after)
    if headline.against is None:
        said = f"{headline.system}: {headline.metric} {value}"
    else:
        said = f"{headline.metric} {_number(headline.before)} -> {value} from {headline.against} to {headline.system}"
        if any(one.has_failed for label in (headline.against, headline.system) for one in found.judgements[label].values()):
            said += f": of {len(found.rows):,} examples {headline.fixed:,} fixed, {headline.broken:,} broken"
    others = headline.baselines + ([headline.last_round] if headline.last_round is not None else [])
    return "; ".join([said, *(_against(one) for one in others)])


def _against(one: BaselineComparison) -> str:
    if one.difference is None:
        return f"no common examples with {one.system}"
    shown = {"better": "better", "worse": "worse", "no difference that matters": "no difference that matters"}.get(one.outcome, "not shown")
    return f"{one.difference:+.3f} against {one.system} ({shown})"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
