"""What may stand in a message is defined once: build, lint and validation call the same things wrong, each in its own way."""

import json
from pathlib import Path
from typing import Any

import pytest

from prep.lint.run import LintOptions, lint
from prep.sources.files import find_files
from prep.sources.rows import Rows, iter_rows
from prep.sources.shapes.legal import POLICIES, MessageFlaw
from prep.sources.shapes.messages import Reading, read_message
from prep.sources.source_config import SourceConfig
from prep.targets.validation import validate

ASKED = {"role": "user", "content": "Name a river."}
ANSWER = {"role": "assistant", "content": "The Loire."}
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
SEEN = [{"type": "text", "text": "What is this?"}, IMAGE]

# Flaw -> chats that have it and nothing else.
CASES: dict[MessageFlaw, list[list[Any]]] = {
    MessageFlaw.NO_OBJECT: [[ASKED, "The Loire.", ANSWER], [ASKED, None, ANSWER]],
    MessageFlaw.ROLE_MISSING: [[{"content": "Hello."}, ASKED, ANSWER]],
    MessageFlaw.ROLE_UNKNOWN: [[{"role": "moderator", "content": "Keep to rivers."}, ASKED, ANSWER]],
    MessageFlaw.CONTENT_MISSING: [
        [{"role": "user", "content": None}, ANSWER],
        [{"role": "user"}, ANSWER],
        [ASKED, {"role": "assistant", "content": None}, ASKED, ANSWER],
    ],
    MessageFlaw.CONTENT_NO_TEXT: [[{"role": "user", "content": {"river": 1}}, ANSWER]],
    MessageFlaw.PART_NO_TEXT: [
        [{"role": "system", "content": SEEN}, ASKED, ANSWER],
        [ASKED, {"role": "assistant", "content": [{"type": "text", "text": "A cat."}, {"type": "video", "url": "x"}]}],
        [{"role": "user", "content": [7]}, ANSWER],
        [{"role": "user", "content": [{"type": "text"}]}, ANSWER],
        [{"role": "user", "content": [{"type": ["text"], "text": "a"}]}, ANSWER],
    ],
    MessageFlaw.PART_BARE: [[{"role": "user", "content": ["Name a river."]}, ANSWER]],
    MessageFlaw.WEIGHT: [[ASKED, {**ANSWER, "weight": weight}] for weight in (2, -1, 0.5, "1", [1], {"a": 1})],
    MessageFlaw.WEIGHT_TYPE: [[ASKED, {**ANSWER, "weight": weight}] for weight in (True, 1.0)],
    MessageFlaw.WEIGHT_ROLE: [[{**ASKED, "weight": 1}, ANSWER]],
}
CHATS = [(flaw, chat) for flaw, chats in CASES.items() for chat in chats]


def write(folder: Path, *chats: list[Any], name: str = "messages") -> Path:
    path = folder / "train.jsonl"
    path.write_text("".join(json.dumps({name: chat}) + "\n" for chat in chats), encoding="utf-8")
    return path


def build(path: Path, name: str = "openai") -> Rows:
    (rows,) = iter_rows(find_files((SourceConfig(path=path.name, format=name),), path.parent, "mine.yaml"))
    return rows


def lint_codes(path: Path, *select: str) -> list[tuple[int | None, str]]:
    report = lint(path, options=LintOptions(select=select or ("FMT001", "FMT002", "FMT004", "FMT005", "LEN603")))
    return sorted((one.line, one.code) for one in report.diagnostics)


def validation_rules(path: Path, target: str = "openai") -> set[tuple[int, str]]:
    return {(one.line, one.rule) for one in validate(path, target).errors if one.rule not in {"rows.too_few", "assistant.last"}}


def test_every_flaw_has_a_policy_and_a_case() -> None:
    assert set(POLICIES) == set(CASES) == set(MessageFlaw)


@pytest.mark.parametrize(("flaw", "chat"), CHATS)
def test_all_three_call_it_wrong(tmp_path: Path, flaw: MessageFlaw, chat: list[Any]) -> None:
    policy = POLICIES[flaw]
    path = write(tmp_path, [ASKED, ANSWER], chat)
    rows = build(path)
    assert [(row.line, row.reason) for _, row in rows.rejected] == ([(2, "bad_record")] if policy.is_rejected else [])
    assert rows.frame.height == 2 - policy.is_rejected
    assert lint_codes(path) == [(2, policy.lint_code)]
    found = validation_rules(path)
    assert len(found) == 1 and {rule for _, rule in found} <= policy.rules


def test_four_chats_are_judged_alike(tmp_path: Path) -> None:
    moderated = [{"role": "moderator", "content": "Keep to rivers."}, ASKED, ANSWER]
    path = write(tmp_path, [{"role": "user", "content": SEEN}, ANSWER], [ASKED, {**ANSWER, "weight": 2}], moderated, [ASKED, ANSWER])
    assert [row.detail.partition(": ")[2] for _, row in build(path).rejected] == [
        "message 1 has a part of the type 'image_url', which is no text",
        "message 2 has the weight 2, which is neither 0 nor 1",
        "message 1 has the unknown role 'moderator'; say who it is in its source: 'speakers: {\"moderator\": user}'",
    ]
    assert lint_codes(path) == [(1, "FMT002"), (2, "FMT004"), (3, "FMT002")]
    # An image is a part that the format has, of the user's messages; a target without weights has a rule of its own for them.
    assert validation_rules(path) == {(2, "weight.value"), (3, "roles.unknown")}
    assert validation_rules(path, "trl") == {(2, "weight.unread"), (3, "roles.unknown")}


@pytest.mark.parametrize(
    ("chat", "turns"),
    [
        ([{**ASKED, "role": "caller"}, {**ANSWER, "role": "Agent "}], ["Name a river.", "The Loire."]),
        ([{**ASKED, "role": "patient"}, {**ANSWER, "role": "doctor"}], ["Name a river.", "The Loire."]),
        ([ASKED, {**ANSWER, "role": "Bard"}], ["Name a river.", "The Loire."]),
        ([{"role": "user", "content": [{"text": "Name a "}, {"text": "river."}]}, ANSWER], ["Name a \nriver.", "The Loire."]),
        ([{"role": "user", "content": [{"type": None, "text": "Name a river."}]}, ANSWER], ["Name a river.", "The Loire."]),
        ([{"speaker": "user", "text": "Name a river."}, {"from": "gpt", "value": "The Loire."}], ["Name a river.", "The Loire."]),
        ([{"role": None, "from": "human", "content": None, "value": "Name a river."}, ANSWER], ["Name a river.", "The Loire."]),
    ],
)
def test_what_one_takes_all_take(tmp_path: Path, chat: list[Any], turns: list[str]) -> None:
    path = write(tmp_path, chat)
    rows = build(path)
    assert [turn["text"] for turn in json.loads(rows.frame["turns"][0])] == turns
    assert lint_codes(path) == []


def test_a_refusal_is_an_answer(tmp_path: Path) -> None:
    path = write(tmp_path, [ASKED, {"role": "assistant", "content": None, "refusal": "I cannot."}])
    assert build(path).frame.height == 1
    assert lint_codes(path) == []


@pytest.mark.parametrize("key", ["loss_weight", "train"])
def test_a_weight_by_another_name_is_a_weight(tmp_path: Path, key: str) -> None:
    path = write(tmp_path, [{**ASKED, key: False}, {**ANSWER, key: True}], [ASKED, {**ANSWER, key: 2}])
    assert [row.line for _, row in build(path).rejected] == [2]
    assert lint_codes(path) == [(2, "FMT002")]


def test_the_lists_own_system_message_stays_alone(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    own = [{"role": "system", "content": "Be kind."}, ASKED, ANSWER]
    rows = [{"system": "Be short.", "messages": own}, {"system": " ", "messages": [ASKED, ANSWER]}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    built = build(path)
    assert [turn["text"] for turn in json.loads(built.frame["turns"][0])] == ["Be kind.", "Name a river.", "The Loire."]
    assert [len(json.loads(turns)) for turns in built.frame["turns"]] == [3, 2]
    assert built.unread.counts == {"system": 1}
    assert lint_codes(path, "FMT003") == []


def test_reasoning_before_a_pair_of_answers_stays(tmp_path: Path) -> None:
    thought = {"role": "assistant", "content": [{"type": "thinking", "value": "hm"}, {"type": "text", "text": "Which one?"}]}
    talk = [ASKED, thought, ASKED]
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps({"chosen": [*talk, ANSWER], "rejected": [*talk, {**ANSWER, "content": "None."}]}), encoding="utf-8")
    assert json.loads(build(path, "dpo").frame["turns"][0])[1] == {"role": "assistant", "reasoning": "hm", "text": "Which one?"}


def test_a_plain_message_is_read_as_any_other_is() -> None:
    for message in (ASKED, ANSWER, {"role": "Agent", "content": ""}):
        plain, whole = Reading(), Reading()
        assert read_message(message, plain) == read_message({**message, "name": None}, whole)
        assert not plain.faults + whole.faults
        assert not plain.unread + whole.unread
