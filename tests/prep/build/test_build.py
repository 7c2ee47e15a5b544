import datetime
import json
import stat
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loopwright.errors import UserError
from prep.config import load_build_config
from prep.dataset.manifest import Dataset
from prep.dataset.schema import EXAMPLE_SCHEMA
from templates.chat_options import ChatTemplateConfig
from tests.prep.helpers import TEMPLATE, Project, contents, make_project, reviews

ROOT = Path(__file__).parents[3]
SAMPLES = sorted(path for path in ROOT.glob("sample_data/*/*.yaml"))
QUICK = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_a_dataset_is_what_the_contract_says(tmp_path: Path) -> None:
    project = make_project(tmp_path, [*reviews(30), {"text": "No label."}])
    result = project.build()
    examples = project.examples()
    assert pl.read_parquet_schema(project.out / "examples.parquet") == dict(EXAMPLE_SCHEMA)
    assert result.to_json()["read"] == 31 and result.to_json()["dropped"] == {"missing_field": 1}
    first = next(row for row in examples if row["line"] == 1)
    assert first["id"] == f"{first['row_id']}/mine/sentiment/0"
    assert (first["source"], first["forms"], first["label"], first["choices"]) == ("rows.jsonl", ["chat", "verbalizer"], 1, ["bad", "good"])
    assert first["target"] == " good" and first["prompt"].endswith("Opinion:")
    assert json.loads(first["fields"]) == {"text": "The soup number 0 was hot.", "label": "positive"}
    for split, count in result.manifest.splits.items():
        mine = [row for row in examples if row["split"] == split]
        assert [row["position"] for row in mine] == list(range(count))
        chat = [json.loads(line) for line in (project.out / "chat" / f"{split}.jsonl").read_text().splitlines()]
        assert chat == [{"messages": row["messages"]} for row in mine]
        prompts = [json.loads(line) for line in (project.out / "verbalizer" / f"{split}.jsonl").read_text().splitlines()]
        assert prompts == [{key: row[key] for key in ("id", "prompt", "choices", "label", "target")} for row in mine]
    assert project.dropped() == [
        {
            "source": "rows.jsonl",
            "line": 31,
            "id": project.dropped()[0]["id"],
            "reason": "missing_field",
            "detail": "template 'mine/sentiment' needs the field 'label'",
        }
    ]
    assert stat.S_IMODE((project.out / "dropped.jsonl").stat().st_mode) == 0o600
    assert set(result.manifest.files) == set(contents(project.out)) - {"manifest.json"}


@pytest.mark.parametrize("config", SAMPLES, ids=lambda path: path.stem)
def test_each_sample_builds_adds_up_and_loads(config: Path, tmp_path: Path) -> None:
    from datasets import load_dataset

    from prep.build.run import build

    result = build(config, tmp_path / "out")
    rows = result.manifest.rows
    assert rows.read == rows.kept + sum(rows.dropped.values())
    assert rows.kept >= 0.95 * rows.read
    loaded = load_dataset(str(tmp_path / "out"), "chat", cache_dir=str(tmp_path / "cache"))
    assert {name: split.num_rows for name, split in loaded.items()} == {
        name: count for name, count in result.manifest.splits.items() if count
    }
    assert set(loaded["train"].column_names) == {"messages"}


def test_a_template_of_preferences_gives_that_output_alone_and_loads(tmp_path: Path) -> None:
    from datasets import load_dataset

    project = make_project(tmp_path, reviews(20))
    body = '{% message "user" %}{{ text }}{% endmessage %}{% chosen %}a{% endchosen %}{% rejected %}b{% endrejected %}'
    project.write("mine.jinja", "---\nname: mine/pairs\ninputs: {text: str}\n---\n" + body)
    assert project.build().manifest.outputs == ["preference"]
    loaded = load_dataset(str(project.out), "preference", cache_dir=str(tmp_path / "cache"))
    assert loaded["train"][0]["preferred_output"] == [{"role": "assistant", "content": "a"}]


def test_answers_that_are_judged_by_themselves_are_an_output_of_their_own_and_load(tmp_path: Path) -> None:
    from datasets import load_dataset

    rows = [{"text": f"Question {index}?", "answer": f"Answer {index % 7}.", "label": index % 3 != 0} for index in range(30)]
    project = make_project(tmp_path, rows)
    body = '{% message "user" %}{{ text }}{% endmessage %}{% message "assistant" %}{{ answer }}{% endmessage %}'
    project.write("mine.jinja", "---\nname: mine/judged\ninputs: {text: str, answer: str, label: bool}\nwanted: label\n---\n" + body)
    result = project.build()
    assert result.manifest.outputs == ["unpaired"]
    examples = Dataset.open(project.out).examples().collect()
    assert examples["wanted"].sum() == 20
    loaded = load_dataset(str(project.out), "unpaired", cache_dir=str(tmp_path / "cache"))
    assert set(loaded["train"].column_names) == {"prompt", "completion", "label"}
    for line in loaded["train"]:
        number = int(line["prompt"][0]["content"].removeprefix("Question ").removesuffix("?"))
        assert line == {
            "prompt": [{"role": "user", "content": f"Question {number}?"}],
            "completion": [{"role": "assistant", "content": f"Answer {number % 7}."}],
            "label": number % 3 != 0,
        }


def test_two_builds_give_equal_bytes_wherever_they_are(tmp_path: Path) -> None:
    one = make_project(tmp_path / "one")
    other = make_project(tmp_path / "another")
    one.build()
    other.build(tmp_path / "elsewhere")
    assert contents(one.out) == contents(tmp_path / "elsewhere")


def test_a_second_build_does_nothing(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    assert not project.build().cached
    log = (project.out / "build.log").read_bytes()
    again = project.build()
    assert again.cached and again.to_json()["kept"] == 40
    assert (project.out / "build.log").read_bytes() == log


def edit_template(project: Project) -> None:
    project.write("mine.jinja", TEMPLATE.replace("Opinion:", "Verdict:"))


def edit_rows(project: Project) -> None:
    project.write_rows(reviews(41))


def add_fix(project: Project) -> None:
    project.write("mine.fixes.jsonl", '{"op": "add", "after": {"text": "Fine dumplings.", "label": "positive"}, "reason": "r"}\n')


def edit_config(project: Project) -> None:
    project.configure(split={"train": 0.5, "validation": 0.25, "test": 0.25})


def rename_file(project: Project) -> None:
    (project.folder / "rows.jsonl").rename(project.folder / "rows2.jsonl")


def touch_output(project: Project) -> None:
    with (project.out / "chat" / "train.jsonl").open("a") as file:
        file.write("{}\n")


def lose_output(project: Project) -> None:
    (project.out / "dropped.jsonl").unlink()


@pytest.mark.parametrize("change", [edit_template, edit_rows, add_fix, edit_config, rename_file, touch_output, lose_output])
def test_any_change_builds_anew(tmp_path: Path, change: Any) -> None:
    project = make_project(tmp_path, sources=[{"path": "*.jsonl"}], fixes="ledger/fixes.jsonl" if change is not add_fix else None)
    if change is add_fix:
        project.configure(sources=[{"path": "rows.jsonl"}])
    before = (project.build(), contents(project.out))[1]
    change(project)
    assert not project.build().cached
    if change in {touch_output, lose_output}:
        assert contents(project.out) == before
    else:
        assert contents(project.out) != before
    assert project.build().cached


def test_what_other_commands_read_does_not_change_the_dataset(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.build()
    project.configure(train={"epochs": 3}, evals={"limit": 5}, loop={"rounds": 2})
    assert project.build().cached


def by_text(project: Project) -> dict[str, tuple[str, str]]:
    return {json.loads(row["fields"])["text"]: (row["row_id"], row["split"]) for row in project.examples()}


@QUICK
@given(st.integers(1, 30), st.integers(0, 30), st.randoms(use_true_random=False))
def test_appending_and_shuffling_moves_no_row_and_changes_no_id(tmp_path_factory: Any, number: int, more: int, random: Any) -> None:
    project = make_project(tmp_path_factory.mktemp("project"), reviews(number))
    project.build()
    before = by_text(project)
    rows = reviews(number + more)
    random.shuffle(rows)
    project.write_rows([{key: row[key] for key in sorted(row, reverse=True)} for row in rows])
    project.build()
    after = by_text(project)
    assert {text: after[text] for text in before} == before


def test_ids_are_the_same_for_ever(tmp_path: Path) -> None:
    # Made of the alias and the record's columns, those without a value left out; fix ledgers name rows by them.
    project = make_project(tmp_path, [{"label": "positive", "text": "Gut, größer 🍲", "stars": 5, "x": None}])
    project.build()
    assert [row["row_id"] for row in project.examples()] == ["1f8b6fb61a393cc40a41fb35337c8375"]
    project.configure(sources=[{"path": "rows.jsonl", "name": "mine", "key": "stars"}])
    project.build()
    assert [row["row_id"] for row in project.examples()] == ["a46ccabb3aee5d46880864517a628674"]


def test_equal_records_are_numbered_in_order(tmp_path: Path) -> None:
    rows = reviews(2)
    project = make_project(tmp_path, [rows[0], rows[1], rows[0], rows[0]])
    project.build()
    ids = [row["row_id"] for row in sorted(project.examples(), key=lambda row: row["line"])]
    assert ids == [ids[0], ids[1], f"{ids[0]}-2", f"{ids[0]}-3"]


def test_a_key_names_a_row_whatever_else_it_says(tmp_path: Path) -> None:
    project = make_project(tmp_path, [{"id": 1, **reviews(1)[0]}], sources=[{"path": "rows.jsonl", "key": "id"}])
    project.build()
    [before] = project.examples()
    project.write_rows([{"id": 1, "text": "Quite another.", "label": "negative"}])
    project.build()
    assert project.examples()[0]["row_id"] == before["row_id"]


def test_rows_without_their_key_are_named_by_their_record(tmp_path: Path) -> None:
    rows = [{"id": key, **row} for key, row in zip((None, None, "", ""), reviews(4), strict=True)]
    project = make_project(tmp_path, rows, sources=[{"path": "rows.jsonl", "key": "id"}])
    project.build()
    assert not any("-" in row["row_id"] for row in project.examples())


def test_no_group_straddles_two_splits_and_shares_are_about_right(tmp_path: Path) -> None:
    rows = [{"customer": f"C{index % 300}", **row} for index, row in enumerate(reviews(1500))]
    project = make_project(
        tmp_path, rows, sources=[{"path": "rows.jsonl", "group": "customer"}], split={"train": 0.6, "validation": 0.3, "test": 0.1}
    )
    result = project.build()
    splits: dict[str, set[str]] = {}
    for row in project.examples():
        splits.setdefault(row["group"], set()).add(row["split"])
    assert len(splits) == 300 and all(len(names) == 1 for names in splits.values())
    assert {name: round(count / 1500, 1) for name, count in result.manifest.splits.items()} == {
        "train": 0.6,
        "validation": 0.3,
        "test": 0.1,
    }


def test_inputs_that_say_the_same_stay_together(tmp_path: Path) -> None:
    rows = [
        {"text": text, "label": "positive"} for index in range(40) for text in (f"Soup {index}", f"  SOUP   {index} ", f"ｓｏｕｐ {index}")
    ]
    project = make_project(tmp_path, rows)
    project.build()
    splits: dict[str, set[str]] = {}
    for row in project.examples():
        splits.setdefault(str((row["line"] - 1) // 3), set()).add(row["split"])
    assert all(len(names) == 1 for names in splits.values())
    assert len(set.union(*splits.values())) == 3


def test_exact_duplicates_leave_and_the_copy_in_test_survives(tmp_path: Path) -> None:
    rows = reviews(3)
    project = make_project(tmp_path, [rows[0], {**rows[0], "text": rows[0]["text"].upper()}, rows[1], {**rows[1], "label": "positive"}])
    project.write_rows([rows[0], rows[2]], "test.jsonl")
    project.write_rows([rows[0]], "validation.jsonl")
    project.configure(
        sources=[
            {"path": "rows.jsonl", "split": "train"},
            {"path": "validation.jsonl", "split": "validation"},
            {"path": "test.jsonl", "split": "test"},
        ],
        dedup={"exact": True},
    )
    result = project.build()
    assert {(row["source"], row["line"]) for row in project.examples()} == {
        ("rows.jsonl", 3),
        ("rows.jsonl", 4),
        ("test.jsonl", 1),
        ("test.jsonl", 2),
    }
    assert result.manifest.rows.dropped == {"duplicate": 3}
    assert {row["detail"] for row in project.dropped()} == {"says the same as test.jsonl:1"}


def test_the_first_copy_of_a_split_survives_and_a_bad_row_pushes_out_no_good_one(tmp_path: Path) -> None:
    rows = reviews(2)
    project = make_project(tmp_path, [{**rows[0], "label": "POSITIVE"}, rows[0], rows[0]], dedup={"exact": True})
    project.build()
    assert [row["line"] for row in project.examples()] == [2]
    assert [(row["line"], row["reason"]) for row in project.dropped()] == [(1, "unknown_label"), (3, "duplicate")]


MESSY = st.lists(
    st.sampled_from(
        [
            '{"text": "a", "label": "positive"}',
            '{"text": "a", "label": "negative"}',
            '{"text": "b c d", "label": "0"}',
            '{"text": "", "label": "positive"}',
            '{"text": "x"}',
            '{"text": "y", "label": "maybe"}',
            '{"label": "positive", "more": [1, {"z": null}]}',
            '{"text": null, "label": null}',
            '{"text": 5, "label": "positive"}',
            '{"text": "\\ud83d", "label": "positive"}',
            "{bad",
            "[]",
            "",
            '{"text": NaN}',
            b'{"text": "\xe9"}'.decode("utf-8", "surrogateescape"),
        ]
    ),
    min_size=1,
    max_size=12,
)


@settings(QUICK, max_examples=60)
@given(MESSY, st.booleans(), st.sampled_from([None, 0.5, 1.0]))
def test_row_accounting_always_adds_up(tmp_path_factory: Any, lines: list[str], exact: bool, near: float | None) -> None:
    project = make_project(tmp_path_factory.mktemp("project"), labels={"0": "negative"}, dedup={"exact": exact, "near": near})
    project.write("rows.jsonl", "\n".join(lines).encode("utf-8", "surrogateescape"))
    number = sum(bool(line.strip()) for line in lines)
    try:
        rows = project.build().manifest.rows
    except UserError as error:
        assert "no row is left" in str(error) or "the file is empty" in str(error) or "needs the field" in str(error)
        assert not project.out.exists()
        return
    assert rows.read == number == rows.kept + sum(rows.dropped.values())
    assert len(project.dropped()) == sum(rows.dropped.values())
    places = [(row["source"], row["line"]) for row in (*project.dropped(), *project.examples())]
    assert len(places) == len(set(places)) == number


def test_bad_rows_at_the_front_are_no_trouble_for_the_good_ones_behind(tmp_path: Path) -> None:
    # Polars panics on some divisions of such a column into chunks.
    for number in range(1, 6):
        project = make_project(tmp_path / str(number), [*({"text": "x"} for _ in range(number)), *reviews(number)])
        assert project.build().manifest.rows.kept == number


def test_several_templates_give_several_examples_and_a_row_is_kept_where_one_renders_it(tmp_path: Path) -> None:
    project = make_project(tmp_path, [*reviews(10), {"text": "No label."}], templates=[{"path": "mine.jinja"}, {"name": "general/text"}])
    result = project.build()
    assert result.manifest.rows.kept == 11 and result.manifest.examples == 21
    assert result.not_rendered == {"mine/sentiment": {"missing_field": 1}}
    assert result.manifest.outputs == ["chat", "verbalizer", "completion"]
    assert len({row["id"] for row in project.examples()}) == 21


def test_the_kind_says_what_a_row_really_has(tmp_path: Path) -> None:
    project = make_project(tmp_path, reviews(4))
    source = TEMPLATE.replace("{% prompt %}", "{% if label == 'positive' %}{% prompt %}").replace(
        "{% endtarget %}", "{% endtarget %}{% endif %}"
    )
    project.write("mine.jinja", source)
    project.build()
    assert {(row["label"], *row["forms"]) for row in project.examples()} == {(0, "chat"), (1, "chat", "verbalizer")}


def test_rows_that_jinja_cannot_render_are_dropped_with_the_reason(tmp_path: Path) -> None:
    project = make_project(tmp_path, [{"text": "3"}, {"text": "x"}, {"text": "0"}])
    project.write("mine.jinja", "---\nname: mine/number\ninputs: {text: int}\n---\n{% text %}{{ 6 // text }}{% endtext %}")
    project.build()
    assert [row["text"] for row in project.examples()] == ["2"]
    assert [(row["line"], row["reason"]) for row in project.dropped()] == [(2, "bad_value"), (3, "template_error")]


def test_columns_with_the_names_of_the_build_are_no_trouble(tmp_path: Path) -> None:
    names = ["#line", "#record", "#row_id", "#source", "#group", "#split", "#order", "#drawn", "#reason", "#text", "#messages", "#id"]
    project = make_project(tmp_path, [{**dict.fromkeys(names, str(index)), **row} for index, row in enumerate(reviews(5))])
    assert project.build().manifest.rows.kept == 5
    project.configure(sources=[{"path": "rows.jsonl", "key": "#id"}])
    assert project.build().manifest.rows.kept == 5


def test_a_source_without_a_readable_row_leaves_the_others_alone(tmp_path: Path) -> None:
    project = make_project(tmp_path, sources=[{"path": "bad.jsonl", "key": "id"}, {"path": "rows.jsonl"}])
    project.write("bad.jsonl", "{bad\n")
    assert project.build().manifest.rows.dropped == {"bad_json": 1}


def test_where_the_model_is_shown_nothing_its_answer_tells_rows_apart(tmp_path: Path) -> None:
    project = make_project(tmp_path, reviews(60))
    body = '{% message "user" %}Say something.{% endmessage %}{% message "assistant" %}{{ text }}{% endmessage %}'
    project.write("mine.jinja", "---\nname: mine/any\ninputs: {text: str}\n---\n" + body)
    assert all(project.build().manifest.splits.values())


def test_two_templates_with_verbalizers_of_their_own_map_the_same_label(tmp_path: Path) -> None:
    project = make_project(tmp_path, [{"text": "a", "label": "0"}, {"text": "b", "label": "1"}, {"text": "c", "label": "9"}])
    project.write(
        "other.jinja", TEMPLATE.replace("mine/sentiment", "mine/other").replace("negative: bad, positive: good", "unclear: unclear")
    )
    project.configure(
        templates=[{"path": "mine.jinja"}, {"path": "other.jinja"}], labels={"0": "negative", "1": "positive", "9": "unclear"}
    )
    assert project.build().manifest.rows.kept == 3


def test_the_manifest_keeps_what_later_steps_need(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.build()
    manifest = Dataset.open(project.out).manifest
    template = manifest.template("mine/sentiment")
    assert (template.forms, template.verbalizer, template.metrics) == (
        ["chat", "verbalizer"],
        {"negative": ["bad"], "positive": ["good"]},
        ["accuracy"],
    )
    config = load_build_config(project.config).model_dump(
        mode="json", exclude={"train", "mixture", "stages", "sweep", "rlhf", "evals", "loop", "plugins"}
    )
    assert manifest.config == {**config, "fixes": "mine.fixes.jsonl"}, "the ledger by its name, though the config gives none"
    assert str(tmp_path) not in (project.out / "manifest.json").read_text()


def test_a_ledger_in_a_source_folder_is_no_data(tmp_path: Path) -> None:
    project = make_project(tmp_path, reviews(6))
    project.configure(sources=[{"path": "."}])
    (tmp_path / "mine.fixes.jsonl").write_text('{"op": "drop", "row_id": "0", "reason": "gone"}\n')
    assert project.build().to_json()["read"] == 6


def test_a_run_inside_the_dataset_is_not_lost_to_a_new_build(tmp_path: Path) -> None:
    project = make_project(tmp_path, reviews(5))
    project.build()
    project.write("out/run/adapter_model.safetensors", "hours of work")
    project.write("rows.jsonl", '{"text": "other", "label": "positive"}')
    with pytest.raises(UserError, match=r"holds 'run', which is no part of it\. Move it elsewhere"):
        project.build()
    assert (tmp_path / "out" / "run" / "adapter_model.safetensors").exists()


def test_how_the_chat_template_is_used_is_kept_and_makes_another_dataset(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    plain = project.build().manifest
    assert plain.chat_template == ChatTemplateConfig()
    project.configure(chat_template={"fold_system": True, "date": "2026-01-31"})
    changed = project.build().manifest
    assert changed.key != plain.key
    kept = Dataset.open(project.out).manifest.chat_template
    assert kept == ChatTemplateConfig(fold_system=True, date=datetime.date(2026, 1, 31))
    project.configure(chat_template={})
    assert project.build().manifest.key == plain.key
    project.configure(chat_template={"fold": True})
    with pytest.raises(UserError, match=r"chat_template\.fold"):
        project.build()
