"""Each format's rules, from tests/cases/formats: one violation of each is found where it is, and nothing else."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from prep.targets.checks.rules import RULES
from prep.targets.profile import PROFILES
from prep.targets.validation import Validation, validate

CASES = Path(__file__).parents[2] / "cases" / "formats"
_PADDING = 10  # rows before the first case: as many as the strictest target asks for


@dataclass(frozen=True)
class Format:
    name: str
    target: str
    good: str
    info: dict[str, Any] | None
    valid: list[dict[str, Any]]
    broken: list[dict[str, Any]]

    def padding(self, number: int) -> list[str]:
        return [self.good.replace("{i}", str(index)) for index in range(1, number + 1)]

    def validate(self, lines: list[str], folder: Path) -> Validation:
        path = folder / "train.jsonl"
        path.write_text("".join(line + "\n" for line in lines), encoding="utf-8", newline="")
        if self.info is not None:
            (folder / "dataset_info.json").write_text(json.dumps({"mine": {"file_name": "train.jsonl", **self.info}}), encoding="utf-8")
        return validate(path, self.target)


def load(path: Path) -> Format:
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    return Format(path.stem, values["target"], json.dumps(values["good"]), values.get("info"), values["valid"], values["broken"])


def line_of(case: dict[str, Any]) -> str:
    return str(case["text"]) if "text" in case else json.dumps(case["row"], ensure_ascii=False)


FORMATS = [load(path) for path in sorted(CASES.glob("*.yaml"))]


@pytest.mark.parametrize("kind", FORMATS, ids=lambda kind: kind.name)
def test_one_violation_of_each_rule_is_found_where_it_is_and_nothing_else(kind: Format, tmp_path: Path) -> None:
    lines = kind.padding(_PADDING) + [line_of(case) for case in kind.broken]
    result = kind.validate(lines, tmp_path)
    expected = [(line, case["field"], case["rule"]) for line, case in enumerate(kind.broken, start=_PADDING + 1)]
    assert [(error.line, error.field, error.rule) for error in result.errors] == expected
    assert not result.is_valid and all(error.message for error in result.errors)
    assert result.rows == len(lines) - sum(case["rule"] == "line.blank" for case in kind.broken)


@pytest.mark.parametrize("kind", FORMATS, ids=lambda kind: kind.name)
def test_every_valid_form_passes(kind: Format, tmp_path: Path) -> None:
    for case in kind.valid:
        result = kind.validate([*kind.padding(_PADDING), line_of(case)], tmp_path)
        assert result.errors == (), case["name"]
        assert [(one.line, one.rule) for one in result.warnings] == [(_PADDING + 1, rule) for rule in case.get("warnings", [])], case[
            "name"
        ]


def test_every_target_and_every_rule_has_a_case() -> None:
    assert {kind.target for kind in FORMATS} == set(PROFILES.entries)
    assert all(profile.title and profile.__doc__ and profile.forms for profile in PROFILES.entries.values())
    in_cases = {case["rule"] for kind in FORMATS for case in kind.broken}
    in_cases |= {rule for kind in FORMATS for case in kind.valid for rule in case.get("warnings", [])}
    of_files = (Path(__file__).parent / "test_files.py").read_text(encoding="utf-8")
    assert [rule for rule in RULES if rule not in in_cases and f'"{rule}"' not in of_files] == []
