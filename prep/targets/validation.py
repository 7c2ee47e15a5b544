"""Validating a training file, and the validation file beside it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xxhash

from prep.dataset.plugins import dataset_plugins
from prep.targets.checks.limits import TokenLimit
from prep.targets.checks.lines import check_size, read_rows
from prep.targets.checks.rules import WHOLE_FILE, Findings, Problem
from prep.targets.checks.tokens import check_tokens, token_limit

if TYPE_CHECKING:
    from prep.targets.profile import Profile


@dataclass(frozen=True, slots=True)
class Validation:
    """What the rules say of a file.

    Attributes:
        rows: rows of the training file, readable or not.
        validation_rows: rows of the validation file; None without one.
        errors: what the target refuses, in the order of the lines.
        warnings: what it takes but the format advises against, and what could not be decided.
    """

    rows: int
    validation_rows: int | None
    errors: tuple[Problem, ...]
    warnings: tuple[Problem, ...]

    @property
    def is_valid(self) -> bool:
        """Says whether nothing is wrong; warnings do not count."""
        return not self.errors

    def to_json(self) -> dict[str, object]:
        """Returns `rows`, `valid`, `errors` and `warnings`, and `validation_rows` where there is a validation file."""
        counts = {} if self.validation_rows is None else {"validation_rows": self.validation_rows}
        return {
            "rows": self.rows,
            **counts,
            "valid": self.is_valid,
            "errors": [problem.to_json() for problem in self.errors],
            "warnings": [problem.to_json() for problem in self.warnings],
        }


def validate(
    path: Path, target: str, *, validation: Path | None = None, model: str | None = None, config_path: Path | None = None
) -> Validation:
    """Checks a file against a target's format rules.

    The file is read a row at a time; all that is wrong with it is returned.

    Args:
        path: the training file.
        target: a profile's name, such as `openai`.
        validation: the validation file, held to the same rules, but for the number of its rows; none of its rows may be in `path`.
        model: the model to be trained, for its token limit.
        config_path: the config whose plug-ins are used; default: none.

    Raises:
        UserError: a file cannot be read, or the target or model is not known.
    """
    from prep.targets.profile import PROFILES

    with dataset_plugins(path, config_path):
        return _validate(path, PROFILES.get(target)(), validation, model)


def _validate(path: Path, profile: "Profile", validation: Path | None, model: str | None) -> Validation:
    limit = None if model is None else token_limit(model)
    if validation is not None:
        check_size(validation, None, Findings())  # before the first file is read: minutes, where it is large
    found = Findings()
    seen: set[bytes] | None = None if validation is None else set()
    rows = _check_file(path, profile, limit, found, seen)
    if rows < profile.min_rows:
        found.line = WHOLE_FILE
        found.error("", "rows.too_few", f"the file has {rows} rows; the target asks for at least {profile.min_rows}")
    validation_rows = None
    if validation is not None and seen is not None:
        found.is_validation = True
        validation_rows = _check_file(validation, profile, limit, found, seen)
    return Validation(rows, validation_rows, tuple(found.errors), tuple(found.warnings))


def _check_file(path: Path, profile: "Profile", limit: TokenLimit | None, found: Findings, seen: set[bytes] | None) -> int:
    """Checks one file and returns how many rows it has; keeps the training rows' digests in `seen`, or compares with them."""
    check_size(path, profile.max_bytes, found)
    found.line = WHOLE_FILE
    check = profile.file_checker(path, found)
    rows = 0
    for row in read_rows(path, found, bom_is_error=profile.refuses_bom, lines_only=profile.lines_only):
        rows += 1
        if row is None:
            continue
        num_errors = len(found.errors)
        try:
            check(row, found)
            if limit is not None:
                check_tokens(row, limit, found)
            if seen is not None:
                _check_repeated(row, seen, found)
        except RecursionError:
            del found.errors[num_errors:]
            found.error("", "json.too_deep", "the value is nested too deeply to be checked")
    return rows


def _check_repeated(row: dict[str, Any], seen: set[bytes], found: Findings) -> None:
    digest = row_digest(row)
    if not found.is_validation:
        seen.add(digest)
    elif digest in seen:
        found.error("", "validation.repeats_training", "the row also appears in the training file")


def row_digest(row: dict[str, Any]) -> bytes:
    """Returns 16 bytes that two rows share where they say the same, whatever the order of their keys."""
    text = json.dumps(row, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return xxhash.xxh3_128_digest(text.encode("ascii"))
