"""Exporting a dataset: rows into a target's files, held to the target's rules before they appear."""

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loopwright.errors import UserError, raise_all
from loopwright.files import atomic_dir
from loopwright.notebook import html_table
from prep.dataset.manifest import Dataset, has_form
from prep.dataset.plugins import dataset_plugins
from prep.targets.checks.rules import Findings
from prep.targets.dropped import Dropped
from prep.targets.profile import PROFILES, CannotHold, Checker, Job, Profile
from prep.targets.replace import require_own_export
from prep.targets.rows import ExportRow, has_extras, has_untrained_turns, iterate
from prep.targets.validation import row_digest, validate
from templates.form import Form

if TYPE_CHECKING:
    import polars as pl

_MAX_ERRORS = 1000  # one template can break a rule in every row
_NAMED = 5  # examples named for each reason to leave rows out


@dataclass(slots=True)
class LeftOut:
    """Rows that are not in the export, for one reason.

    Attributes:
        rows: how many.
        ids: the first few examples' ids.
    """

    rows: int = 0
    ids: list[str] = field(default_factory=list)

    def add(self, example_id: str) -> None:
        """Counts a row."""
        self.rows += 1
        if len(self.ids) < _NAMED:
            self.ids.append(example_id)


@dataclass(frozen=True, slots=True)
class _Choice:
    """What of a dataset is written: its form, its splits, and whether rows that the target would refuse are left out."""

    form: str | None
    splits: tuple[str, ...]
    drops_invalid: bool


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What was exported.

    Attributes:
        out: the folder.
        target: the profile's name.
        form: the form that was written.
        files: file within the folder -> rows.
        left_out: reason -> the rows that are not in it; another form than the one that was asked for is a reason too.
        changed: what was written otherwise than it stands in the dataset -> how often.
        warnings: what the target takes but the format advises against, as `file:line: field: message`.
        dropped_path: the list of the rows that the target would refuse; None where there are none, or such rows are an error.
    """

    out: Path
    target: str
    form: Form
    files: dict[str, int]
    left_out: dict[str, LeftOut]
    changed: dict[str, int]
    warnings: list[str]
    dropped_path: Path | None = None

    def to_json(self) -> dict[str, object]:
        """Returns the result as `--json` prints it."""
        return {
            "out": str(self.out),
            "target": self.target,
            "form": str(self.form),
            "rows": sum(self.files.values()),
            "files": self.files,
            "left_out": {reason: {"rows": left.rows, "ids": left.ids} for reason, left in self.left_out.items()},
            "changed": self.changed,
            "warnings": self.warnings,
            **({} if self.dropped_path is None else {"dropped": str(self.dropped_path)}),
        }

    def to_polars(self) -> "pl.DataFrame":
        """Returns the files that were written, one a row: `file`, its path, and its `rows`."""
        import polars as pl

        records = [(str(self.out / name), count) for name, count in self.files.items()]
        return pl.DataFrame(records, schema={"file": pl.String(), "rows": pl.Int64()}, orient="row")

    def _repr_html_(self) -> str:
        left_out = [f"left out: {left.rows:,} rows: {reason}" for reason, left in self.left_out.items()]
        changed = [f"changed: {what}: {count:,}" for what, count in self.changed.items()]
        notes = [*left_out, *changed, *([f"{len(self.warnings)} warnings"] if self.warnings else [])]
        return html_table(f"{self.target}, form {self.form} -> {self.out}", ("file", "rows"), self.files.items(), notes)


def export(
    dataset_dir: Path,
    target: str,
    out: Path,
    *,
    form: str | None = None,
    splits: tuple[str, ...] = (),
    drop_invalid: bool = False,
    config_path: Path | None = None,
) -> ExportResult:
    """Writes a dataset in a target's own format. The folder appears when it is whole and keeps every rule of the target, or not at all.

    Args:
        dataset_dir: a built dataset.
        target: a profile's name, such as `openai`.
        out: the folder to write; an older export there is replaced, any other folder is refused.
        form: the form to write; default: the first of the target's forms that the dataset has.
        splits: only these; default: all.
        drop_invalid: leave out rows that break a rule of the target, and list them with the reasons in `OUT.dropped.jsonl`, beside `out`.
        config_path: the config whose plug-ins are used; default: the one that lies beside the dataset, see `dataset_plugins`.

    Raises:
        UserError: the target, form or split is not to be had, a row breaks a rule of the target, or the folder cannot be written.
    """
    with dataset_plugins(dataset_dir, config_path):
        return _export(dataset_dir, PROFILES.get(target)(), out, _Choice(form, splits, drop_invalid))


def _export(dataset_dir: Path, profile: Profile, out: Path, choice: _Choice) -> ExportResult:
    dataset = Dataset.open(dataset_dir)
    examples = dataset.examples()
    chosen_splits = _choose_splits(dataset, choice.splits)
    chosen_form = _choose_form(examples, profile, choice.form)
    of_this_form = examples.filter(has_form(chosen_form))
    job = Job(dataset.manifest.name, chosen_form, has_extras(of_this_form), has_untrained_turns(of_this_form))
    require_own_export(out)
    dropped = Dropped() if choice.drops_invalid else None
    run = _Export(profile, job, dropped)
    with atomic_dir(out) as folder:
        if "train" not in chosen_splits:
            run.remember(dataset.examples("train").filter(has_form(chosen_form)))
        for split in chosen_splits:
            run.write_split(dataset.examples(split).filter(has_form(chosen_form)), split, folder)
            run.count_other_forms(dataset.examples(split))
        raise_all(run.errors)
        if not run.files:
            raise UserError("no row is left to export", str(dataset_dir), _reasons(run.left_out) or "Build the dataset with rows in it.")
        profile.write_beside(folder, job, run.files)
        warnings = [*_validate(folder, profile, run.files), *_canary_warnings(dataset, run.files)]
    counts = {name: rows for names in run.files.values() for name, rows in zip(names, run.rows_of(names), strict=True)}
    dropped_path = None if dropped is None else dropped.write(out)
    return ExportResult(out, profile.name, chosen_form, counts, run.left_out, dict(job.changed), warnings, dropped_path)


class _Export:
    """The rows on their way out, and the account of those that do not get there."""

    def __init__(self, profile: Profile, job: Job, dropped: Dropped | None) -> None:
        self._profile = profile
        self._dropped = dropped
        self._job = job
        self._rows: Counter[str] = Counter()
        self._train: set[bytes] = set()
        self.files: dict[str, list[str]] = {}
        self.left_out: dict[str, LeftOut] = {}
        self.errors: list[UserError] = []

    def write_split(self, examples: "pl.LazyFrame", split: str, folder: Path) -> None:
        """Writes a split's file or files, and none where no row is left."""
        check = self._profile.own_checker(self._job.form)
        written = 0
        with self._profile.open_writer(folder, split, self._job) as writer:
            for row in iterate(examples):
                converted = self._convert(row, split, check)
                if converted is not None:
                    writer.write(converted)
                    written += 1
        if written:
            self.files[split] = list(writer.files)
            self._rows.update(writer.files)

    def remember(self, examples: "pl.LazyFrame") -> None:
        """Keeps training rows in mind that are not written, so that no other split repeats them."""
        job = replace(self._job, changed=Counter())
        for row in iterate(examples):
            with suppress(CannotHold):
                self._repeated(self._profile.convert(row, job), "train")

    def rows_of(self, names: list[str]) -> list[int]:
        """Returns how many rows each file has."""
        return [self._rows[name] for name in names]

    def count_other_forms(self, examples: "pl.LazyFrame") -> None:
        """Counts a split's examples that do not have the form that is written."""
        import polars as pl

        left = examples.filter(~has_form(self._job.form)).select("id")
        total = int(left.select(pl.len()).collect().item())
        if total:
            entry = self._entry("other_form")
            entry.ids += left.head(_NAMED - len(entry.ids)).collect().to_series().to_list()
            entry.rows += total

    def _convert(self, row: ExportRow, split: str, check: Checker) -> dict[str, Any] | None:
        """Returns a row as it is to be written; None for one that is left out, which is counted, or breaks a rule."""
        before = self._job.changed.copy()
        reason: str | None
        try:
            converted = self._profile.convert(row, self._job)
            reason = self._judge(converted, row, split, check) or self._repeated(converted, split)
        except CannotHold as error:
            reason = error.reason
        if reason is None:
            return converted
        self._job.changed = before  # what is not written is not changed
        if reason != _BROKEN:
            self._entry(reason).add(row.id)
        return None

    def _judge(self, converted: dict[str, Any], row: ExportRow, split: str, check: Checker) -> str | None:
        found = Findings()
        check(converted, found)
        for problem in found.errors:
            if problem.rule in self._profile.left_out_rules:
                return problem.rule
        if self._dropped is not None and found.errors:
            self._dropped.add(row, split, found.errors)
            return found.errors[0].rule
        for problem in found.errors if len(self.errors) < _MAX_ERRORS else ():
            cause = f"{problem.rule}: {problem.message} ({problem.field or 'row'}; {row.id})"
            self.errors.append(
                UserError(
                    cause, row.location, f"{self._profile.name} does not take the row. Mend it, or leave such rows out: --drop-invalid"
                )
            )
        return _BROKEN if found.errors else None

    def _repeated(self, converted: dict[str, Any], split: str) -> str | None:
        """Keeps rows that train has out of every other split: what was trained on measures nothing."""
        digest = row_digest({key: value for key, value in converted.items() if key != "id"})
        if split == "train":
            self._train.add(digest)
        elif digest in self._train:
            return "repeats_training"
        return None

    def _entry(self, reason: str) -> LeftOut:
        return self.left_out.setdefault(reason, LeftOut())


_BROKEN = "broken"


def _choose_splits(dataset: Dataset, wanted: tuple[str, ...]) -> list[str]:
    """Returns the splits in an order in which train comes first."""
    known = sorted((name for name, rows in dataset.manifest.splits.items() if rows), key=lambda name: name != "train")
    for name in wanted:
        if name not in known:
            raise UserError(f"the dataset has no rows in a split '{name}'", str(dataset.path), f"It has: {', '.join(known)}.")
    return [name for name in known if name in wanted] if wanted else known


def _choose_form(examples: "pl.LazyFrame", profile: Profile, wanted: str | None) -> Form:
    if wanted is not None and wanted not in profile.forms:
        known = ", ".join(profile.forms)
        raise UserError(f"the target {profile.name} does not take the form '{wanted}'", remedy=f"It takes: {known}.")
    for form in profile.forms if wanted is None else (Form(wanted),):
        if examples.filter(has_form(form)).select("id").head(1).collect().height:
            return form
    asked = f"the form '{wanted}'" if wanted else f"any form that {profile.name} takes ({', '.join(profile.forms)})"
    raise UserError(f"no example of the dataset has {asked}", remedy="Build it with a template that gives that form.")


def _validate(folder: Path, profile: Profile, files: dict[str, list[str]]) -> list[str]:
    """Reads what was written back and holds it to the rules of the target, as a stranger would.

    Returns:
        The warnings.

    Raises:
        UserError: a rule is broken.
    """
    errors: list[UserError] = []
    warnings: list[str] = []
    for split, names in files.items():
        for name in names:
            found = validate(folder / name, profile.name)
            warnings += [f"{name}:{problem.line}: {problem.field}: {problem.message}" for problem in found.warnings]
            for problem in found.errors:
                # How many rows there must be is a rule for what is trained on.
                if problem.rule != "rows.too_few" or split == "train":
                    location = f"{name}:{problem.line}" if problem.line else name
                    errors.append(UserError(f"{problem.rule}: {problem.message}", location, f"{profile.title} would refuse the file."))
    raise_all(errors)
    return warnings


def _canary_warnings(dataset: Dataset, files: dict[str, list[str]]) -> list[str]:
    """Returns that rows of train are made up, where some are: whoever trains on the file has to know it."""
    if dataset.manifest.canaries is None or "train" not in files:
        return []
    told = f"{dataset.manifest.canaries.count:,} canaries are in train, as the config asked: a model that is trained on them is not for use"
    return [f"{files['train'][0]}: {told}"]


def _reasons(left_out: dict[str, LeftOut]) -> str:
    return "Left out: " + ", ".join(f"{left.rows:,} {reason}" for reason, left in left_out.items()) + "." if left_out else ""
