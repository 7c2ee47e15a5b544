"""`prep lint --fix`: fixes go into the fix ledger, the dataset is built again, and lint looks again, until nothing is left to fix.

The raw files are never touched: a fix that is not liked is taken out of the ledger.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopwright.errors import UserError
from prep.build.fix_ledger import Fix, append_fixes, load_fixes
from prep.build.ledger_file import announced_ledger
from prep.build.run import build
from prep.config import locate_config
from prep.dataset.manifest import Dataset
from prep.dataset.plugins import dataset_plugins, require_own_config
from prep.fixes.drafts import FixDraft
from prep.fixes.propose import drafts_from_lint
from prep.lint.base.report import LintReport
from prep.lint.frame.template_files import config_dirs
from prep.lint.options import LintOptions
from prep.lint.run import lint

MAX_ROUNDS = 10
"""A fix that brings forth another, and that one the first, would go on for ever."""


@dataclass(frozen=True, slots=True)
class PlannedFix:
    """A fix that is about to be made.

    Attributes:
        code: the rule that asks for it.
        place: `source:line` of the row.
        fix: the ledger's entry.
        safe: whether it changes nothing that a model would learn.
    """

    code: str
    place: str
    fix: Fix
    safe: bool


@dataclass(frozen=True, slots=True)
class FixResult:
    """What `--fix` came to.

    Attributes:
        fixes: what was added to the ledger, in order.
        num_rounds: how often the dataset was built.
        report: what is left.
        unfinished: why the loop ended before nothing was left to fix; None where nothing is.
    """

    fixes: tuple[PlannedFix, ...]
    num_rounds: int
    report: LintReport
    unfinished: str | None


def find_config(dataset_path: Path, config_path: Path | None) -> Path:
    """Returns the config that a dataset was built from: the one given, else that of its name beside the dataset or in the working folder.

    Raises:
        UserError: the path is no dataset, or the config is in none of these places.
    """
    if not dataset_path.exists():
        raise UserError("there is nothing at this path", str(dataset_path), "Give a dataset's folder.")
    if not dataset_path.is_dir():
        raise UserError(
            "--fix writes the ledger of a built dataset, and this is a file",
            str(dataset_path),
            "Add --fix-to CLEAN.jsonl for a copy with the safe fixes. Or build a dataset from it, then lint that with --fix: "
            f"prep init {dataset_path}, prep build. Every build replays the ledger.",
        )
    if config_path is not None:
        return config_path
    name = Dataset.open(dataset_path).manifest.config_path
    if not name:
        remedy = "Write its config to a file, and name that with --config."
        raise UserError("the dataset was built from Python, without a config file", str(dataset_path), remedy)
    found = next((folder / name for folder in config_dirs(dataset_path) if (folder / name).is_file()), None)
    if found is None:
        raise UserError(f"'{name}', from which the dataset was built, is not beside it", str(dataset_path), "Name it with --config.")
    require_own_config(found, dataset_path)
    return found


def plan_fixes(drafts: Iterable[FixDraft], known: Iterable[Fix] = (), *, unsafe: bool) -> list[PlannedFix]:
    """Returns the fixes to make of what rules drafted, at most one for each field of each row: the next round sees what the first has done.

    Args:
        drafts: of a built dataset's report.
        known: fixes that were made already; one that came back would do so for ever.
        unsafe: take those too that change what a model would learn; those whose value a person has to give are left out either way.
    """
    done = {_key(fix) for fix in known}
    taken: set[tuple[str, str | None]] = set()
    dropped = set()
    planned = []
    ready = [draft for draft in drafts if (draft.safe or unsafe) and None not in draft.after.values()]
    for draft in sorted(ready, key=lambda one: one.op != "drop"):  # a row that leaves needs no other fix
        fields = {(draft.row_id, name) for name in draft.after}
        fix = draft.to_fix()
        if draft.row_id in dropped or fields & taken or _key(fix) in done:
            continue
        if draft.op == "drop":
            dropped.add(draft.row_id)
        taken |= fields
        planned.append(PlannedFix(draft.evidence["code"], draft.place, fix, draft.safe))
    return planned


def next_fixes(dataset_path: Path, config_path: Path, options: LintOptions, *, unsafe: bool) -> list[PlannedFix]:
    """Returns the fixes that `fix` would make in its first round.

    Raises:
        UserError: the dataset was not built from this config.
    """
    ledger = _ledger(dataset_path, config_path)
    with dataset_plugins(dataset_path, config_path):
        report = lint(dataset_path, options=options, config_path=config_path)
        return plan_fixes(drafts_from_lint(report), load_fixes(ledger), unsafe=unsafe)


def fix(dataset_path: Path, config_path: Path, options: LintOptions, *, unsafe: bool) -> FixResult:
    """Makes the fixes that rules propose, round by round.

    Args:
        dataset_path: the dataset; it is built again in its place.
        config_path: the config that it was built from, which names the fix ledger.
        options: what to look for.
        unsafe: make those fixes too that change what a model would learn.

    Raises:
        UserError: the dataset was not built from this config, or cannot be built again.
    """
    ledger = _ledger(dataset_path, config_path)
    with dataset_plugins(dataset_path, config_path):
        return _fix(dataset_path, config_path, ledger, options, unsafe=unsafe)


def _fix(dataset_path: Path, config_path: Path, ledger: Path, options: LintOptions, *, unsafe: bool) -> FixResult:
    made: list[PlannedFix] = []
    for num_rounds in range(MAX_ROUNDS + 1):
        report = lint(dataset_path, options=options, config_path=config_path)
        drafts = drafts_from_lint(report)
        planned = plan_fixes(drafts, load_fixes(ledger), unsafe=unsafe)
        if not planned or num_rounds == MAX_ROUNDS:
            break
        append_fixes(ledger, [one.fix for one in planned])
        made += planned
        build(config_path, dataset_path)
    return FixResult(tuple(made), num_rounds, report, _unfinished(drafts, planned, unsafe=unsafe))


def _ledger(dataset_path: Path, config_path: Path) -> Path:
    located = locate_config(config_path)
    name = located.config.name
    if name != Dataset.open(dataset_path).manifest.name:
        raise UserError(f"the dataset was not built from this config, which is called '{name}'", str(dataset_path), "Name its own.")
    return announced_ledger(located)


def _unfinished(drafts: Sequence[FixDraft], planned: Sequence[PlannedFix], *, unsafe: bool) -> str | None:
    if planned:
        return f"after {MAX_ROUNDS} rounds fixes still cause new ones, such as {planned[0].code} at {planned[0].place}"
    by_person = sum(None in draft.after.values() for draft in drafts)
    left_unsafe = 0 if unsafe else sum(not draft.safe and None not in draft.after.values() for draft in drafts)
    again = len(drafts) - by_person - left_unsafe
    reasons = [
        (left_unsafe, "need --unsafe-fixes"),
        (by_person, "need a person: prep fix propose, then prep fix edit"),
        (again, "were made before and did not last"),
    ]
    return "; ".join(f"{count} {why}" for count, why in reasons if count) or None


def _key(fix: Fix) -> tuple[Any, ...]:
    return fix.op, fix.row_id, tuple(sorted(fix.before.items())), tuple(sorted(fix.after.items()))
