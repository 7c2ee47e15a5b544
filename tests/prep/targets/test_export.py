"""Exports: what is written, what cannot be held, and that the result keeps the target's rules and loads."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from loopwright.errors import UserError
from prep.cli.app import app
from prep.targets.profile import PROFILES, Profile
from prep.targets.testing import check_target
from prep.targets.validation import validate
from prep.targets.write import ExportResult, export
from templates.form import Form
from tests.helpers import review, write_dataset

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"type": "function", "function": {"name": "weather", "description": "Says it.", "parameters": PARAMETERS}}]
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}


def message(role: str, content: str | None) -> dict[str, Any]:
    return {"role": role, "content": content}


def with_extras(messages: list[dict[str, Any]], extras: list[dict[str, Any] | None], **more: Any) -> dict[str, Any]:
    return {"messages": messages, "extras": json.dumps({"messages": extras, **more})}


def tool_row(**last: Any) -> dict[str, Any]:
    turns = [message("user", "Oslo?"), message("assistant", None), message("tool", "snow"), message("assistant", "Snow.")]
    return with_extras(turns, [None, {"tool_calls": [CALL]}, {"tool_call_id": "call_1"}, last or None], tools=TOOLS)


def weight_row(*weights: int) -> dict[str, Any]:
    turns = [turn for index, _ in enumerate(weights) for turn in (message("user", f"w{index}"), message("assistant", f"a{index}"))]
    return with_extras(turns, [extra for weight in weights for extra in (None, {"weight": weight})])


def pair(index: int, **more: Any) -> dict[str, Any]:
    sides = {"chosen": [message("assistant", f"good {index}")], "rejected": [message("assistant", f"bad {index}")]}
    return {"messages": [message("user", f"q {index}")], **sides, **more}


def judged_row(index: int, **more: Any) -> dict[str, Any]:
    return {"messages": [message("user", f"q {index}"), message("assistant", f"a {index}")], "wanted": index % 2 == 0, **more}


def reviews() -> list[dict[str, Any]]:
    return [review(f"Dish {index} was fine", index % 2, split="train" if index < 12 else "validation") for index in range(16)]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def exported(rows: list[dict[str, Any]], target: str, out: Path, **options: Any) -> ExportResult:
    return export(write_dataset(out.parent / "dataset", rows), target, out, **options)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def last_row(rows: list[dict[str, Any]], target: str, out: Path, **options: Any) -> dict[str, Any]:
    exported([*reviews()[:12], *rows], target, out, **options)
    return lines(out / "train.jsonl")[-1]


@pytest.mark.parametrize(("target", "form"), [(name, form) for name, profile in PROFILES.entries.items() for form in profile.forms])
def test_what_is_exported_keeps_the_rules_of_its_target(target: str, form: Form, out: Path) -> None:
    texts = [{"text": f"Text {index}"} for index in range(12)]
    judged = [*map(judged_row, range(12)), judged_row(12, split="test")]
    rows = [*reviews(), tool_row(), *map(pair, range(12)), *texts, *[pair(index, split="test") for index in range(20, 23)], *judged]
    result = exported(rows, target, out, form=form)
    counts = {"chat": 17, "verbalizer": 16, "completion": 12, "preference": 15, "unpaired": 13}
    assert sum(result.files.values()) == counts[form]
    assert result.left_out["other_form"].rows == len(rows) - counts[form]
    train, *others = [out / name for name in result.files]
    assert "train" in train.name
    found = validate(train, target, validation=others[0] if others else None)
    assert (found.errors, found.warnings) == ((), ())
    assert not list(out.parent.glob(".out*"))


@pytest.mark.parametrize("target", PROFILES.entries.values(), ids=list(PROFILES.entries))
def test_every_target_keeps_the_contract(target: type[Profile], tmp_path: Path) -> None:
    rows = [*reviews(), *map(pair, range(12)), *map(judged_row, range(12)), *[{"text": f"Text {index}"} for index in range(12)]]
    check_target(target, write_dataset(tmp_path / "data", rows))


def test_openai_rows_have_calls_names_weights_and_refusals_where_the_format_wants_them(out: Path) -> None:
    row = last_row([tool_row(weight=1)], "openai", out)
    assert row["tools"] == TOOLS
    assert row["messages"][1:] == [
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "content": "snow", "tool_call_id": "call_1"},
        {"role": "assistant", "content": "Snow.", "weight": 1},
    ]
    refusing = with_extras([message("user", "Do it"), message("assistant", None)], [{"name": "anna"}, {"refusal": "I will not."}])
    assert last_row([refusing], "openai", out)["messages"] == [
        {"role": "user", "content": "Do it", "name": "anna"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "I will not."}]},
    ]


def test_answers_that_are_judged_are_written_as_trl_and_llamafactory_read_them(out: Path) -> None:
    asked = [message("system", "Be kind."), message("user", "Hm?"), message("assistant", "Yes?"), message("user", "When?")]
    extras = [None, None, {"weight": 0}, None, None]
    row = with_extras([*asked, message("assistant", "Now.")], extras) | {"wanted": False}
    rows = [*map(judged_row, range(2)), row]
    exported(rows, "trl", out)
    assert lines(out / "train.jsonl")[-1] == {"prompt": asked, "completion": [message("assistant", "Now.")], "label": False}
    exported(rows, "llamafactory", out.parent / "factory")
    written = lines(out.parent / "factory" / "train.jsonl")[-1]
    assert (written["kto_tag"], written["system"]) == (False, "Be kind.")
    assert [turn["value"] for turn in written["conversations"]] == ["Hm?", "Yes?", "When?", "Now."]
    info = json.loads((out.parent / "factory" / "dataset_info.json").read_text(encoding="utf-8"))
    assert info["test-train"]["columns"]["kto_tag"] == "kto_tag"


def test_what_a_target_has_no_place_for_is_counted(out: Path) -> None:
    turns = [message("developer", "Be kind"), message("user", "Do it"), message("assistant", None)]
    row = with_extras(turns, [None, {"name": "anna", "mood": "bad"}, {"refusal": "No."}])
    result = exported([*reviews()[:12], row], "together", out)
    assert result.changed == {"developer_as_system": 1, "name_removed": 1, "mood_removed": 1, "refusal_as_text": 1}
    assert lines(out / "train.jsonl")[-1]["messages"] == [
        message("system", "Be kind"),
        message("user", "Do it"),
        message("assistant", "No."),
    ]


@pytest.mark.parametrize(
    ("target", "turns", "reason"),
    [
        ("azure", ["user", "assistant", "assistant"], "roles.consecutive_assistant"),
        ("together", ["user", "user", "assistant"], "roles.alternation"),
        ("llamafactory", ["user", "assistant", "assistant"], "roles.alternation"),
        ("llamafactory", ["user", "system", "assistant"], "role_system"),
        ("fireworks", ["user", "system", "assistant"], "roles.system_first"),
    ],
)
def test_a_sound_row_that_the_format_is_too_narrow_for_is_left_out_and_named(target: str, turns: list[str], reason: str, out: Path) -> None:
    messages = [message(role, f"m{index}") for index, role in enumerate(turns)]
    row = {**with_extras(messages, [{"name": "anna"}, None, None]), "row_id": "narrow"}
    result = exported([*reviews()[:12], row], target, out)
    assert result.left_out[reason].ids == ["narrow/reviews/sentiment/0"]
    assert result.files == {"train.jsonl": 12} and result.changed == {}
    assert exported([*reviews()[:12], row], "openai", out).files == {"train.jsonl": 13}


def test_a_row_that_breaks_a_rule_stops_the_export_and_leaves_the_old_one(out: Path) -> None:
    exported(reviews(), "openai", out)
    before = (out / "train.jsonl").read_bytes()
    bad = with_extras([message("user", "a"), message("assistant", "b")], [None, {"weight": 0}])
    with pytest.raises(UserError, match=r"data.jsonl:13: weight.none_trained"):
        exported([*reviews()[:12], bad], "openai", out)
    assert (out / "train.jsonl").read_bytes() == before


def test_too_few_rows_to_train_on_are_refused_but_not_too_few_to_validate_on(out: Path) -> None:
    with pytest.raises(UserError, match=r"train.jsonl: rows.too_few"):
        exported(reviews()[3:], "openai", out)
    assert not out.exists()
    assert exported(reviews(), "openai", out).files == {"train.jsonl": 12, "validation.jsonl": 4}


@pytest.mark.parametrize("target", ["openai", "hf"])
def test_no_other_split_repeats_a_row_of_train(target: str, out: Path) -> None:
    rows = [*reviews(), review("Dish 3 was fine", 1, split="validation"), review("Dish 3 was fine", 1, split="test")]
    result = exported(rows, target, out)
    assert result.left_out["repeats_training"].rows == 2
    assert list(result.files.values()) == [12, 4]
    alone = exported(rows, target, out, splits=("validation",))
    assert (alone.left_out["repeats_training"].rows, list(alone.files.values())) == (1, [4])


def test_weights_are_trained_turns_in_axolotl_and_its_config_says_so(out: Path) -> None:
    row = last_row([weight_row(0, 1)], "axolotl", out)
    assert [turn["train"] for turn in row["messages"]] == [False, False, False, True]
    assert not any("weight" in turn for turn in row["messages"])
    config = yaml.safe_load((out / "axolotl.yaml").read_text(encoding="utf-8"))
    (stanza,) = config["datasets"]
    assert (stanza["path"], stanza["type"], stanza["message_field_training"]) == ("train.jsonl", "chat_template", "train")
    assert stanza["message_property_mappings"] == {"role": "role", "content": "content"}
    row = last_row([tool_row()], "axolotl", out)
    assert json.loads(row["tools"][0]["function"]["parameters"]) == PARAMETERS


def test_axolotl_trains_a_verbalizers_target_alone_and_pairs_as_dpo(out: Path) -> None:
    exported(reviews(), "axolotl", out, form="verbalizer")
    assert lines(out / "train.jsonl")[0]["segments"] == [
        {"label": False, "text": "Review: Dish 0 was fine\nSentiment:"},
        {"label": True, "text": " negative"},
    ]
    exported([pair(index) for index in range(3)], "axolotl", out)
    assert yaml.safe_load((out / "axolotl.yaml").read_text(encoding="utf-8"))["rl"] == "dpo"
    assert lines(out / "train.jsonl")[1]["chosen"] == message("assistant", "good 1")


@pytest.mark.parametrize("target", ["trl", "llamafactory"])
def test_where_weights_are_not_read_the_layout_says_what_is_trained(target: str, out: Path) -> None:
    all_trained = exported([*reviews()[:12], weight_row(1, 1)], target, out)
    assert all_trained.left_out == {}
    first = lines(out / "train.jsonl")[-1]
    result = exported([*reviews()[:12], weight_row(0, 1), weight_row(1, 1), weight_row(1, 0)], target, out)
    assert result.left_out["weight"].rows == 2 and result.files == {"train.jsonl": 13}
    last = lines(out / "train.jsonl")[-1]
    if target == "trl":
        assert [turn["content"] for turn in first["messages"]] == ["w0", "a0", "w1", "a1"]
        assert [turn["content"] for turn in last["prompt"]] == ["w0", "a0", "w1"]
        assert last["completion"] == [message("assistant", "a1")]
    else:
        assert [turn["value"] for turn in last["conversations"]] == ["w0", "a0", "w1", "a1"]


def test_llamafactory_has_calls_as_turns_and_describes_its_files(out: Path) -> None:
    row = last_row([tool_row()], "llamafactory", out)
    assert row["conversations"] == [
        {"from": "human", "value": "Oslo?"},
        {"from": "function_call", "value": '{"name":"weather","arguments":{"city":"Oslo"}}'},
        {"from": "observation", "value": "snow"},
        {"from": "gpt", "value": "Snow."},
    ]
    assert json.loads(row["tools"]) == [TOOLS[0]["function"]]
    assert lines(out / "train.jsonl")[0]["system"] == "You sort restaurant reviews."
    info = json.loads((out / "dataset_info.json").read_text(encoding="utf-8"))
    assert info["test-train"]["file_name"] == "train.jsonl" and info["test-train"]["formatting"] == "sharegpt"
    speaking = with_extras([message("user", "a"), message("assistant", "Wait.")], [None, {"tool_calls": [CALL]}], tools=TOOLS)
    assert exported([*reviews(), speaking], "llamafactory", out).left_out["text_beside_call"].rows == 1


def test_a_cloze_is_left_out_where_the_target_follows_the_prompt_and_kept_in_hf(out: Path) -> None:
    cloze = {"prompt": "It was [MASK].", "target": "good", "mask": "[MASK]"}
    assert exported([*reviews(), cloze], "trl", out, form="verbalizer").left_out["cloze"].rows == 1
    exported([*reviews(), cloze], "hf", out, form="verbalizer")
    assert pl.read_parquet(out / "data" / "train-00000.parquet").row(-1, named=True)["mask"] == "[MASK]"


def test_a_call_with_empty_content_has_none_and_a_refusal_beside_content_is_counted(out: Path) -> None:
    turns = [message("user", "a"), message("assistant", ""), message("tool", "r"), message("assistant", "Well.")]
    row = with_extras(turns, [None, {"tool_calls": [CALL]}, {"tool_call_id": "call_1"}, {"refusal": "No."}], tools=TOOLS)
    result = exported([*reviews(), row], "openai", out)
    written = lines(out / "train.jsonl")[-1]["messages"]
    assert (written[1]["content"], written[3]) == (None, message("assistant", "Well."))
    assert result.changed == {"refusal_beside_content_removed": 1}


def test_a_pair_with_calls_is_left_out_where_pairs_have_text_alone(out: Path) -> None:
    turns = [message("user", "Oslo?"), message("assistant", None), message("tool", "snow")]
    sides = {"chosen": [message("assistant", "Snow.")], "rejected": [message("assistant", "Sun.")]}
    calling = {**with_extras(turns, [None, {"tool_calls": [CALL], "weight": 0}, {"tool_call_id": "call_1"}], tools=TOOLS), **sides}
    assert exported([*map(pair, range(3)), calling], "axolotl", out).left_out["tool_calls"].rows == 1
    for target in ("openai", "trl", "llamafactory", "hf"):
        assert sum(exported([*map(pair, range(10)), calling], target, out.parent / target).files.values()) == 11


def test_a_pair_without_an_input_is_left_out(out: Path) -> None:
    result = exported([*map(pair, range(10)), pair(11, messages=None)], "openai", out)
    assert (result.form, result.left_out["no_input"].rows) == ("preference", 1)


@pytest.mark.parametrize("target", ["trl", "hf"])
@pytest.mark.parametrize("rows", [[], [tool_row(), weight_row(0, 1)], [tool_row()]], ids=["plain", "weights", "tools"])
def test_exported_folders_load(target: str, rows: list[dict[str, Any]], out: Path) -> None:
    datasets = pytest.importorskip("datasets")
    exported([*reviews(), *rows], target, out)
    loaded = datasets.load_dataset(str(out), cache_dir=str(out.parent / "cache"))
    files = sorted(out.rglob("*.jsonl")) + sorted(out.rglob("*.parquet"))
    assert set(loaded) == {"train", "validation"} and len(files) == 2
    assert len(loaded["validation"]) == 4
    row = loaded["train"][12] if rows else loaded["train"][0]
    if rows and target == "hf":
        assert json.loads(row["tools"]) == TOOLS
        assert row["messages"][1]["tool_calls"] == [CALL]
    if rows == [tool_row()] and target == "trl":
        assert row["messages"][1]["tool_calls"][0]["function"]["arguments"] == {"city": "Oslo"}


def test_hf_shards_have_one_schema_and_tell_what_they_drop_of_a_call(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr("prep.targets.writers._SHARD_ROWS", 5)
    odd = {**CALL, "index": 0}
    rows = [*reviews(), with_extras([message("user", "a"), message("assistant", None)], [None, {"tool_calls": [odd]}], tools=TOOLS)]
    result = exported(rows, "hf", out)
    assert list(result.files.values()) == [5, 5, 3, 4] and result.changed == {"call_key_removed": 1}
    assert len(datasets.load_dataset(str(out), cache_dir=str(out.parent / "cache"), split="train")) == 13


def test_two_exports_are_the_same_bytes(out: Path) -> None:
    rows = [*reviews(), tool_row()]
    for target in PROFILES.entries:
        exported(rows, target, out)
        first = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
        exported(rows, target, out)
        assert first == {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
        for path in sorted(out.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"target": "opnai"}, "Did you mean 'openai'"),
        ({"target": "help"}, "Known: axolotl, azure, fireworks, hf, llamafactory, openai, together, trl."),
        ({"form": "verbalizer"}, "does not take the form 'verbalizer'"),
        ({"form": "preference"}, "no example of the dataset has the form 'preference'"),
        ({"splits": ("dev",)}, "no rows in a split 'dev'"),
    ],
)
def test_what_is_not_to_be_had_is_refused(options: dict[str, Any], cause: str, out: Path) -> None:
    with pytest.raises(UserError) as error:
        exported(reviews(), options.pop("target", "openai"), out, **options)
    assert cause in str(error.value) and not out.exists()


def test_only_an_older_export_is_replaced(out: Path) -> None:
    dataset = write_dataset(out.parent / "dataset", reviews())
    export(dataset, "llamafactory", out)
    export(dataset, "hf", out)
    (out / "data" / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match=r"no export wrote: data/notes.txt"):
        export(dataset, "openai", out)
    (out / "data" / "notes.txt").unlink()
    (out / "thesis.tex").write_text("years of work", encoding="utf-8")
    with pytest.raises(UserError, match=r"no export wrote: thesis.tex"):
        export(dataset, "openai", out)
    with pytest.raises(UserError, match="no export wrote"):
        export(dataset, "openai", dataset)
    with pytest.raises(UserError, match="a file, not a folder"):
        export(dataset, "openai", out / "thesis.tex")
    assert (out / "thesis.tex").exists() and (dataset / "manifest.json").exists()


def test_the_command_prints_what_it_wrote(out: Path) -> None:
    dataset = write_dataset(out.parent / "dataset", [*reviews(), pair(1)])
    options = ["--target", "openai", "--split", "train", "--form", "chat", "--json"]
    done = CliRunner().invoke(app, ["export", str(dataset), "--out", str(out), *options])
    assert json.loads(done.stdout) == {
        "out": str(out),
        "target": "openai",
        "form": "chat",
        "rows": 12,
        "files": {"train.jsonl": 12},
        "left_out": {"other_form": {"rows": 1, "ids": ["row16/reviews/sentiment/0"]}},
        "changed": {},
        "warnings": [],
    }
    assert "left out 1: other_form (row16/reviews/sentiment/0)" in done.stderr


def test_rows_that_the_target_would_refuse_are_left_out_and_listed_on_request(out: Path) -> None:
    broken = [
        with_extras([message("user", f"x{index}"), message("assistant", "y")], [None, {"tool_calls": [{**CALL, "id": ""}]}])
        for index in (0, 1)
    ]
    rows = [*reviews(), *({**review("", 0), **one} for one in broken)]
    with pytest.raises(UserError, match=r"tool_calls\.id.*--drop-invalid"):
        exported(rows, "openai", out)
    assert not out.exists()
    done = exported(rows, "openai", out, drop_invalid=True)
    assert sum(done.files.values()) == len(reviews())
    assert done.dropped_path == out.with_name("out.dropped.jsonl")
    listed = [json.loads(line) for line in done.dropped_path.read_text(encoding="utf-8").splitlines()]
    assert [(one["split"], one["reasons"][0]["rule"]) for one in listed] == [("train", "tool_calls.id")] * 2
    assert {one["id"] for one in listed} == set(done.left_out["tool_calls.id"].ids)
    assert validate(out / "train.jsonl", "openai").is_valid
    # It is of the last export: where that drops none, none is there. And the list is no part of what an export may replace.
    assert exported(reviews(), "openai", out, drop_invalid=True).dropped_path is None
    assert not out.with_name("out.dropped.jsonl").exists()


def test_where_no_row_is_left_the_reasons_are_said(out: Path) -> None:
    row = {**review("", 0), **with_extras([message("user", "x"), message("assistant", "y")], [None, {"tool_calls": [{**CALL, "id": ""}]}])}
    with pytest.raises(UserError, match=r"no row is left to export.* 1 tool_calls\.id"):
        exported([row], "openai", out, drop_invalid=True)
