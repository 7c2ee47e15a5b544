"""What rules draft for their findings, by their cases: `fixed` says for each row what becomes of it.

A case's rows are built into a dataset, as drafts are made for those alone. `drop` leaves the row out; null is for a person to give.
"""

from pathlib import Path
from typing import Any

import pytest

from prep.build.run import build
from prep.dataset.manifest import Dataset
from prep.fixes.fixing import fix
from prep.fixes.rule_drafts import make_drafts
from prep.lint.base.rule import RULES, Rule
from prep.lint.run import LintOptions, lint
from prep.lint.testing import write_rows
from tests.prep.lint.test_rules import CASES, rows_of

CONFIG = """\
name: case
sources: [SOURCES]
templates: [TEMPLATE]
lint: {profile: medical}
"""
CHAT = """\
---
name: case
inputs: {prompt: str, completion: str}
keep: [code]
---
{% message "user" %}{{ prompt }}{% endmessage %}{% message "assistant" %}{{ completion }}{% endmessage %}
"""
PAIR = """\
---
name: case
inputs: {prompt: str, chosen: str, rejected: str}
---
{% message "user" %}{{ prompt }}{% endmessage %}{% chosen %}{{ chosen }}{% endchosen %}{% rejected %}{{ rejected }}{% endrejected %}
"""
FIXED = [(code, case) for code, case in CASES if "fixed" in case]


def make(case: dict[str, Any], folder: Path) -> None:
    """Builds the rows of a case into `out`, by `case.yaml`."""
    rows = rows_of(case)
    write_rows(folder / "train.jsonl", rows)
    is_chat = "messages" in rows[0]
    sources = [f"{{path: train.jsonl, format: {'openai' if is_chat else 'jsonl'}, split: train}}"]
    if "test" in case:
        write_rows(folder / "test.jsonl", case["test"])
        sources.append("{path: test.jsonl, format: jsonl, split: test}")
    (folder / "case.jinja").write_text(PAIR if "chosen" in rows[0] else CHAT, encoding="utf-8")
    template = "{name: general/tool_chat}" if is_chat else "{path: case.jinja}"
    config = CONFIG.replace("SOURCES", ", ".join(sources)).replace("TEMPLATE", template)
    (folder / "case.yaml").write_text(config, encoding="utf-8")
    build(folder / "case.yaml", folder / "out")


def drafted(code: str, case: dict[str, Any], folder: Path) -> dict[Any, Any]:
    """Returns line -> draft of a rule, for the rows of the case; those of a test file under `test.jsonl:line`."""
    make(case, folder)
    places = {row["row_id"]: row for row in Dataset.open(folder / "out").examples().collect().iter_rows(named=True)}
    found: dict[Any, Any] = {}
    for draft in make_drafts(lint(folder / "out", options=LintOptions(select=(code,), thresholds=case.get("thresholds", {})))):
        row = places[draft["row_id"]]
        line = row["line"] if row["split"] == "train" else f"test.jsonl:{row['line']}"
        assert line not in found
        found[line] = "drop" if draft["op"] == "drop" else draft["fields"]
    return found


@pytest.mark.parametrize(("code", "case"), FIXED, ids=[f"{code}: {case['name']}" for code, case in FIXED])
def test_what_becomes_of_a_row(code: str, case: dict[str, Any], tmp_path: Path) -> None:
    assert drafted(code, case, tmp_path) == case["fixed"]


@pytest.mark.parametrize("code", [code for code, rule in RULES.entries.items() if rule.draft is not Rule.draft])
def test_every_rule_that_drafts_has_a_case_of_it(code: str) -> None:
    assert any(case["fixed"] for case_code, case in FIXED if case_code == code)


def _can_be_made(case: dict[str, Any]) -> bool:
    return any(change == "drop" or None not in change.values() for change in case["fixed"].values())


MADE = [(code, case) for code, case in FIXED if _can_be_made(case)]


@pytest.mark.parametrize(("code", "case"), MADE, ids=[f"{code}: {case['name']}" for code, case in MADE])
def test_what_a_rule_fixes_it_reports_no_more_and_the_second_time_nothing_changes(code: str, case: dict[str, Any], tmp_path: Path) -> None:
    make(case, tmp_path)
    options = LintOptions(select=(code,), thresholds=case.get("thresholds", {}))
    result = fix(tmp_path / "out", tmp_path / "case.yaml", options, unsafe=True)
    assert result.fixes
    left = {one["row_id"] for one in make_drafts(result.report) if one["op"] == "drop" or None not in one["fields"].values()}
    assert left == set()
    again = fix(tmp_path / "out", tmp_path / "case.yaml", options, unsafe=True)
    assert (again.fixes, again.num_rounds) == ((), 0)
