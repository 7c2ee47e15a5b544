"""Findings about the whole of a dataset: what they say to put into the config does what they say, and mends them."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from prep.build.run import build
from prep.cli.app import app
from prep.dataset.manifest import Dataset
from prep.fixes.rule_drafts import make_drafts
from prep.lint.base.diagnostic import Diagnostic
from prep.lint.base.documentation import rule_sections
from prep.lint.base.rule import RULES
from prep.lint.run import LintOptions, lint

TEMPLATE = """\
---
name: case
inputs: {text: str, label: str}
verbalizer: {good: [good], bad: [bad]}
---
{% message "user" %}{{ text }}{% endmessage %}{% message "assistant" %}{{ label | verbalize }}{% endmessage %}
"""
CONFIG: dict[str, Any] = {
    "name": "case",
    "sources": [{"path": "rows.jsonl"}],
    "templates": [{"path": "case.jinja"}],
    "split": {"train": 1, "validation": 0, "test": 0},
}


def make(folder: Path, rows: dict[str, list[dict[str, Any]]], config: dict[str, Any], template: str = TEMPLATE) -> Path:
    for name, of_file in rows.items():
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in of_file), encoding="utf-8")
    (folder / "case.jinja").write_text(template, encoding="utf-8")
    (folder / "case.yaml").write_text(yaml.safe_dump({**CONFIG, **config}, sort_keys=False), encoding="utf-8")
    build(folder / "case.yaml", folder / "out")
    return folder / "out"


def reviews(good: int, bad: int) -> list[dict[str, Any]]:
    return [{"text": f"Soup number {index}", "label": "good" if index < good else "bad"} for index in range(good + bad)]


@pytest.mark.parametrize("template", [TEMPLATE, "---\nname: case\ninputs: {text: str}\n---\n{% text %}{{ text }}{% endtext %}\n"])
def test_a_row_that_is_rendered_more_than_once_is_no_copy_of_itself(tmp_path: Path, template: str) -> None:
    rows = [{**row, "text": f"{row['text']} {'x' * place} tasted of very little"} for place, row in enumerate(reviews(20, 6))]
    out = make(tmp_path, {"rows.jsonl": rows}, {"resample": {"by": "label", "how": "over"}}, template)
    report = lint(out, options=LintOptions(select=("DUP301", "DUP302", "CON2")))
    assert report.num_examples == 40
    assert report.summary == {}
    assert make_drafts(report) == []


def findings(out: Path, code: str, **options: Any) -> list[Diagnostic]:
    return list(lint(out, options=LintOptions(select=(code,), **options)).diagnostics)


def pasted(remedy: str) -> dict[str, Any]:
    """Returns what a remedy says to put into the config."""
    assert remedy.startswith("Put `")
    return dict(yaml.safe_load(remedy.split("`")[1]))


@pytest.mark.parametrize(
    ("good", "how", "said", "num_examples"),
    [
        (80, "over", "repeats rows up to 4 times, 160 examples in total (`how: under` keeps 40 of 100 train examples)", 160),
        (90, "under", "keeps 20 of 100 train examples (`how: over` repeats rows up to 9 times, 180 examples in total)", 20),
    ],
)
def test_labels_are_even_once_the_remedy_stands_in_the_config(tmp_path: Path, good: int, how: str, said: str, num_examples: int) -> None:
    rows = {"rows.jsonl": reviews(good, 100 - good)}
    (found,) = findings(make(tmp_path, rows, {}), "BAL101")
    section = pasted(found.remedy)
    assert section == {"resample": {"by": "label", "to": "balanced", "how": how}}
    assert said in found.remedy
    out = make(tmp_path, rows, section)
    assert lint(out, options=LintOptions(select=("BAL101",))).num_examples == num_examples
    assert findings(out, "BAL101") == []


@pytest.mark.parametrize(
    ("declared", "to"),
    [
        ({"good": [0.5, 0.6], "bad": [0.3, 0.5]}, {"good": 0.6, "bad": 0.4}),
        ({"good": [0.5, 0.6]}, {"good": 0.6}),
        ({"bad": [0.4, 0.5]}, {"bad": 0.4}),
        ({"good": [0.1, 0.4], "bad": [0.1, 0.4]}, None),
    ],
)
def test_labels_are_as_declared_once_the_remedy_stands_in_the_config(
    tmp_path: Path, declared: dict[str, list[float]], to: dict[str, float] | None
) -> None:
    rows = {"rows.jsonl": reviews(80, 20)}
    config = {"lint": {"expect": {"label_share": declared}}}
    found = findings(make(tmp_path, rows, config), "BAL101")
    assert len({one.remedy for one in found}) == 1
    if to is None:
        assert found[0].remedy.startswith("Add rows")
        return
    section = pasted(found[0].remedy)
    assert section == {"resample": {"by": "label", "to": to, "how": "over"}}
    assert findings(make(tmp_path, rows, {**config, **section}), "BAL101") == []


def test_there_is_no_plan_for_a_label_without_rows_or_where_something_is_resampled_already(tmp_path: Path) -> None:
    rows = {"rows.jsonl": [{**row, "place": str(number % 2)} for number, row in enumerate(reviews(90, 10))]}
    resampled = {"resample": {"by": "place"}}
    (found,) = findings(make(tmp_path, rows, resampled), "BAL101")
    assert found.remedy.startswith("Add rows")
    declared = {"lint": {"expect": {"label_share": {"good": [0.4, 0.6], "bad": [0.4, 0.6]}}}}
    both = findings(make(tmp_path, {"rows.jsonl": reviews(40, 0)}, declared), "BAL101")
    assert len(both) == 2
    assert all(one.remedy.startswith("Add rows") for one in both)


def test_a_plan_counts_train_rows_and_once_it_is_made_only_they_are_looked_at(tmp_path: Path) -> None:
    sources = {"sources": [{"path": "rows.jsonl"}, {"path": "test.jsonl", "split": "test"}]}
    rows = {"rows.jsonl": reviews(60, 20), "test.jsonl": [{**row, "text": f"A {row['text']}"} for row in reviews(300, 2)]}
    (found,) = findings(make(tmp_path, rows, sources), "BAL101")
    assert "keeps 40 of 80 train examples" in found.remedy
    assert findings(make(tmp_path, rows, {**sources, **pasted(found.remedy)}), "BAL101") == []


def test_a_group_dominates_no_more_once_the_remedy_stands_in_the_config(tmp_path: Path) -> None:
    rows = {"rows.jsonl": [{**row, "Who": "C1" if number % 5 < 3 else f"C{number}"} for number, row in enumerate(reviews(50, 50))]}
    sources = {"sources": [{"path": "rows.jsonl", "group": "Who", "fields": {"customer": "Who"}}]}
    (found,) = findings(make(tmp_path, rows, sources), "BAL103")
    section = pasted(found.remedy)
    assert section == {"resample": {"by": "customer", "to": {"C1": 0.3}, "how": "under"}}
    assert "keeps 57 of 100 train examples" in found.remedy
    out = make(tmp_path, rows, {**sources, **section})
    assert lint(out).num_examples == 57
    assert findings(out, "BAL103") == []


def test_a_plan_quotes_no_identifier(tmp_path: Path) -> None:
    rows = {
        "rows.jsonl": [
            {**row, "who": "ann.lee@mail-host.org" if number % 5 < 3 else f"C{number}"} for number, row in enumerate(reviews(50, 50))
        ]
    }
    (found,) = findings(make(tmp_path, rows, {"sources": [{"path": "rows.jsonl", "group": "who"}]}), "BAL103")
    assert "mail-host" not in found.remedy + found.message


def test_a_source_dominates_no_more_once_the_remedy_stands_in_the_config(tmp_path: Path) -> None:
    small = [{"review": f"Rice number {index}", "label": "good" if index % 2 else "bad"} for index in range(7)]
    rows = {"large.jsonl": reviews(150, 150), "small.jsonl": small, "parts/one.jsonl": reviews(2, 1)}
    (tmp_path / "parts").mkdir()
    sources = [{"path": "large.jsonl"}, {"path": "small.jsonl", "fields": {"text": "review"}}, {"path": "parts/*.jsonl", "name": "parts"}]
    (found,) = findings(make(tmp_path, rows, {"sources": sources}), "BAL103")
    section = pasted(found.remedy)
    assert [one.pop("weight") for one in section["sources"]] == [30, 2.33, 1]
    assert section["sources"] == sources
    section = pasted(found.remedy)
    assert "keeps 100 of 310 train examples" in found.remedy
    out = make(tmp_path, rows, section)
    assert lint(out).num_examples == 100
    assert findings(out, "BAL103") == []


def test_evaluation_rows_are_not_resampled_and_the_remedy_does_not_say_so(tmp_path: Path) -> None:
    rows = {"rows.jsonl": [{**row, "who": "C1" if number % 5 < 3 else f"C{number}"} for number, row in enumerate(reviews(50, 50))]}
    (found,) = findings(make(tmp_path, rows, {"sources": [{"path": "rows.jsonl", "group": "who", "split": "test"}]}), "BAL103")
    assert found.remedy.startswith("Add rows of other sources to 'test'")


def test_groups_are_whole_once_no_source_fixes_its_split(tmp_path: Path) -> None:
    groups = [{**row, "who": f"C{number % 10}"} for number, row in enumerate(reviews(20, 20))]
    rows = {"rows.jsonl": groups[:30], "held.jsonl": groups[30:]}
    sources = [{"path": "rows.jsonl", "group": "who"}, {"path": "held.jsonl", "group": "who", "split": "test"}]
    shares = {"split": {"train": 0.5, "validation": 0, "test": 0.5}}
    found = findings(make(tmp_path, rows, {"sources": sources, **shares}), "LEK404")
    assert found
    assert {one.remedy for one in found} == {
        "Remove `split` from 'held.jsonl' (`split: test`), so that all rows are split by group, or drop the group's rows from train."
    }
    del sources[1]["split"]
    out = make(tmp_path, rows, {"sources": sources, **shares})
    assert set(Dataset.open(out).examples().collect()["split"]) == {"train", "test"}
    assert findings(out, "LEK404") == []


OPTIONS = """\
---
name: case
inputs: {question: str, options: list, right: int}
---
SHOWN
{% message "user" %}{{ question }}
{% for option in shown %}({{ "ABCD"[loop.index0] }}) {{ option }}
{% endfor %}{% endmessage %}{% message "assistant" %}{{ "ABCD"[shown.index(options[right])] }}{% endmessage %}
"""


def test_options_are_shuffled_with_their_letter_by_the_lines_that_the_rule_shows(tmp_path: Path) -> None:
    rows = {
        "rows.jsonl": [
            {"question": f"What is {index}?", "options": [f"{index}{letter}" for letter in "abcd"], "right": 1} for index in range(200)
        ]
    }
    assert findings(make(tmp_path, rows, {}, OPTIONS.replace("SHOWN", "{% set shown = options %}")), "BAL104")
    lines = [line.strip() for line in rule_sections(RULES.get("BAL104"))["Fix safety"].splitlines() if line.startswith("    ")]
    assert len(lines) == 2
    out = make(tmp_path, rows, {}, OPTIONS.replace("SHOWN", "\n".join(lines)))
    assert findings(out, "BAL104") == []
    chats = Dataset.open(out).examples().collect()["messages"].to_list()
    assert len({answer["content"] for _, answer in chats}) == 4
    assert all(
        f"({answer['content']}) {question['content'].split()[2].rstrip('?')}b\n" in question["content"] for question, answer in chats
    )


def test_a_record_of_no_known_form_is_left_out_by_the_build_and_reported_as_that(tmp_path: Path) -> None:
    whole = [
        {"messages": [{"role": "user", "content": f"Where is {index}?"}, {"role": "assistant", "content": "Here."}]} for index in range(3)
    ]
    odd: list[dict[str, Any]] = [
        {"messages": "Hi"},
        {"messages": [{"role": "wizard", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]},
    ]
    rows = {"rows.jsonl": [*whole, *odd]}
    out = make(tmp_path, rows, {"templates": [{"name": "general/tool_chat"}], "sources": [{"path": "rows.jsonl", "format": "openai"}]})
    found = lint(out, options=LintOptions(select=("FMT",))).diagnostics
    assert [(one.code, one.line) for one in found] == [("FMT001", 4), ("FMT001", 5)]
    assert {one.line for one in lint(tmp_path / "rows.jsonl", options=LintOptions(select=("FMT002",))).diagnostics} == {4, 5}


def test_rows_with_an_unknown_label_are_kept_once_the_remedy_stands_in_the_config(tmp_path: Path) -> None:
    rows = {"rows.jsonl": [*reviews(20, 20), {"text": "Rice", "label": "Good."}, {"text": "Fish", "label": "excellent: 5"}]}
    found = findings(make(tmp_path, rows, {}), "CON204")
    assert [(one.line, one.remedy) for one in found] == [
        (41, "Put `Good.: good` under `labels:` in the config, if that is what it means."),
        (42, RULES.get("CON204").remedy),
    ]
    out = make(tmp_path, rows, {"labels": {"Good.": "good"}})
    assert [one.line for one in findings(out, "CON204")] == [42]
    assert Dataset.open(out).manifest.rows.kept == 41


def test_proposed_drafts_come_with_what_only_the_config_can_mend(tmp_path: Path) -> None:
    rows = [*reviews(90, 10), {"text": "Rice", "label": "Good."}, {"text": "Soup number 1", "label": "good"}]
    out = make(tmp_path, {"rows.jsonl": rows}, {})
    printed = CliRunner().invoke(app, ["fix", "propose", str(out), "--out", str(tmp_path / "drafts.jsonl"), "--json"])
    assert printed.exit_code == 0
    found = json.loads(printed.stdout)["config"]
    assert [one["code"] for one in found] == ["BAL101", "CON204"]
    assert found[0]["remedy"] == findings(out, "BAL101")[0].remedy
    assert "DUP301" in (tmp_path / "drafts.jsonl").read_text(encoding="utf-8")
