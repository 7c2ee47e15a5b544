"""Every field of the build config changes something: a field that is validated, documented and read by nothing is a silent defect."""

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from pydantic import BaseModel

from loopwright.config import load_section
from loopwright.errors import UserError
from loopwright.plugins import KINDS
from prep.config import BuildConfig, load_build_config
from prep.dataset.show import show
from prep.lint.run import LintOptions, lint
from prep.sources.files import find_files
from prep.sources.rows import META_COLUMNS, read_rows
from tests.conftest import CHATML, make_tokenizer
from tests.prep.helpers import TEMPLATE, Project, make_project, reviews
from tests.templates.test_chat_thoughts import SWITCHED

ROWS = [{"id": index, "who": f"C{index % 7}", **row} for index, row in enumerate([*reviews(60), reviews(1)[0]])]


def files(project: Project) -> dict[str, bytes]:
    """The dataset, but for the manifest, which holds the config itself."""
    project.build()
    return {
        str(path.relative_to(project.out)): path.read_bytes()
        for path in project.out.rglob("*")
        if path.is_file() and path.name not in {"manifest.json", "build.log"}
    }


def findings(project: Project) -> list[str]:
    project.build()
    return sorted(f"{one.code} {one.severity} {one.message}" for one in lint(project.out, options=LintOptions()).diagnostics)


def rows(project: Project) -> list[dict[str, Any]]:
    """What is read, before any template has its say."""
    files = find_files(load_build_config(project.config).sources, project.folder, "mine.yaml")
    return read_rows(files).frame.drop(META_COLUMNS).to_dicts()


def source(**changes: Any) -> dict[str, Any]:
    return {"sources": [{"path": "rows.jsonl", **changes}]}


def with_latin_file(project: Project) -> None:
    project.write("rows.jsonl", '{"text": "Café", "label": "positive"}\n{"text": "b", "label": "positive"}'.encode("latin-1"))


def with_windows_file(project: Project) -> None:
    project.write_rows([{"text": "One.\r\nTwo.", "label": "positive"}, {"text": "b", "label": "positive"}])


def with_tsv_file(project: Project) -> None:
    project.write("rows.jsonl", "text\tlabel\n" + "".join(f'"{row["text"]}"\t{row["label"]}\n' for row in ROWS))


def with_text_file(project: Project) -> None:
    project.write("rows.txt", "One\ntwo.\n\nThree.\n")


def with_transcripts(project: Project) -> None:
    texts = ["A: hi\nA: ho\nB: hu", "a <BR> Acme b <BR> Acme c <BR> d", "A: x | B: y | no mark", "A> z"]
    project.write_rows([{"text": text, "other": "C: c"} for text in texts])


def with_workbook(project: Project) -> None:
    book = openpyxl.Workbook()
    for name in ("One", "Two"):
        for row in (["text", "label"], *([f"{name}: {one['text']}", one["label"]] for one in ROWS)):
            (book[name] if name in book.sheetnames else book.create_sheet(name)).append(row)
    del book["Sheet"]
    book.save(project.folder / "rows.xlsx")


def with_speakers(project: Project) -> None:
    project.write_rows([{"talk": [{"from": "human", "value": "hi"}, {"from": "butler", "value": "ho"}]}] * 3)


def turns(**changes: Any) -> dict[str, Any]:
    return source(turns=changes)


def with_other_columns(project: Project) -> None:
    project.write_rows([{**row, "title": row["text"].upper()} for row in ROWS])


def with_other_template(project: Project) -> None:
    project.write("other.jinja", "---\nname: mine/other\ninputs: {text: str}\n---\n{% text %}{{ text }}{% endtext %}")


def with_ledger(project: Project) -> None:
    project.write("other.jsonl", '{"op": "add", "after": {"text": "Fine dumplings.", "label": "positive"}, "reason": "r"}\n')


def with_raw_labels(project: Project) -> None:
    project.write_rows([{**row, "label": "1"} if index % 3 else row for index, row in enumerate(ROWS)])


def with_near_rows(project: Project) -> None:
    project.write_rows(
        [{**row, "text": "One two three four five six seven eight nine ten " + str(index % 9)} for index, row in enumerate(ROWS)]
    )


def with_uneven_labels(project: Project) -> None:
    project.write_rows([{**row, "label": "negative" if index % 9 else "positive"} for index, row in enumerate(ROWS)])


def with_days(project: Project) -> None:
    rows = [{**row, "day": f"2024-01-{index % 31 + 1:02}", "updated": f"2024-02-{index * 7 % 28 + 1:02}"} for index, row in enumerate(ROWS)]
    project.write_rows(rows)


def with_second_file(project: Project) -> None:
    project.write_rows(reviews(60, 500), "b.jsonl")


def both(**changes: Any) -> dict[str, Any]:
    return {"sources": [{"path": "rows.jsonl", "weight": 1}, {"path": "b.jsonl", "weight": 1, **changes}]}


def two_templates(**changes: Any) -> dict[str, Any]:
    return {"templates": [{"path": "mine.jinja", **changes}, {"path": "other.jinja"}]}


def with_two_languages(project: Project) -> None:
    words = "verbalizer: {negative: {en: bad, zh: 坏}, positive: {en: good, zh: 好}}\nlanguage: en"
    project.write("mine.jinja", TEMPLATE.replace("verbalizer: {negative: bad, positive: good}", words))


def with_shots(project: Project) -> None:
    shown = "{% for shot in shots %}{{ shot.text }}\n{% endfor %}Review:"
    project.write("mine.jinja", TEMPLATE.replace("task: sentiment", "shots: 2").replace("Review:", shown))
    project.write_rows(
        [{**row, "text": f"{row['text']} {index * 7919} {index * 104729} {index * 1299709}"} for index, row in enumerate(ROWS)]
    )


def with_sentences(project: Project) -> None:
    said = "we were there on a Sunday and the waiter was kind to all of us but it took an hour to get what we had asked for"
    texts = [" ".join(random.Random(index).sample(said.split(), 20)) for index in range(len(ROWS))]
    project.write_rows([{**row, "text": text} for row, text in zip(ROWS, texts, strict=True)])


def with_patients(project: Project) -> None:
    project.write_rows([*ROWS, {"text": "The patient, aged 94, asked for soup.", "label": "positive", "id": 99, "who": "C9"}])


def nothing(project: Project) -> None:
    """Needs no more than the project has."""


Case = tuple[Callable[[Project], None], dict[str, Any], dict[str, Any], Callable[[Project], Any]]

# Field -> (what the project needs beside, the config without it, the config with it, where the difference shows).
EFFECTS: dict[str, Case] = {
    "name": (nothing, {}, {"name": "other"}, files),
    "description": (nothing, {}, {"description": "So it is."}, files),
    "license": (nothing, {}, {"license": "MIT"}, files),
    "language": (nothing, {}, {"language": "en"}, files),
    "sources.path": (lambda project: project.write_rows(reviews(3), "b.jsonl"), {}, source(path="b.jsonl"), files),
    "sources.format": (with_tsv_file, source(format="tsv"), source(format="csv"), files),
    "sources.name": (nothing, {}, source(name="alias"), files),
    "sources.fields": (with_other_columns, {}, source(fields={"text": "title"}), files),
    "sources.key": (nothing, {}, source(key="id"), files),
    "sources.group": (nothing, {}, source(group="who"), files),
    "sources.split": (nothing, {}, source(split="test"), files),
    "sources.encoding": (with_latin_file, {}, source(encoding="latin-1"), files),
    "sources.newlines": (with_windows_file, {}, source(newlines="normalise"), files),
    "sources.delimiter": (with_tsv_file, source(format="csv"), source(format="csv", delimiter=" "), rows),
    "sources.columns": (with_tsv_file, source(format="tsv"), source(format="tsv", columns=["text", "label"]), rows),
    "sources.sheet": (with_workbook, source(path="rows.xlsx"), source(path="rows.xlsx", sheet="Two"), rows),
    "sources.unit": (with_text_file, source(path="rows.txt"), source(path="rows.txt", unit="paragraph"), rows),
    "sources.turns.field": (with_transcripts, turns(), turns(field="other"), rows),
    "sources.turns.into": (with_transcripts, turns(), turns(into="dialogue"), rows),
    "sources.turns.style": (with_transcripts, turns(), turns(style="separator"), rows),
    "sources.turns.pattern": (with_transcripts, turns(), turns(pattern="^(?P<speaker>A)[>:] (?P<text>.*)"), rows),
    "sources.turns.separator": (with_transcripts, turns(), turns(separator=" | "), rows),
    "sources.turns.speakers": (with_transcripts, turns(), turns(speakers=["x", "y"]), rows),
    "sources.turns.order": (with_transcripts, turns(), turns(order="addressed"), rows),
    "sources.turns.roles": (with_transcripts, turns(), turns(roles={"A": "user"}), rows),
    "sources.turns.join": (with_transcripts, turns(), turns(join=False), rows),
    "sources.speakers": (with_speakers, {}, source(speakers={"butler": "assistant"}), rows),
    "sources.weight": (with_second_file, both(), both(weight=0.1), files),
    "templates.name": (nothing, {}, {"templates": [{"name": "general/text"}]}, files),
    "templates.path": (with_other_template, {}, {"templates": [{"path": "other.jinja"}]}, files),
    "templates.weight": (with_other_template, two_templates(), two_templates(weight=3), files),
    "templates.language": (with_two_languages, {}, {"templates": [{"path": "mine.jinja", "language": "zh"}]}, files),
    "templates.shots": (with_shots, {}, {"templates": [{"path": "mine.jinja", "shots": 1}]}, files),
    "labels": (with_raw_labels, {}, {"labels": {"1": "positive"}}, files),
    "split.train": (nothing, {}, {"split": {"train": 0.5, "validation": 0.1, "test": 0.4}}, files),
    "split.validation": (nothing, {}, {"split": {"validation": 0.2, "test": 0.0}}, files),
    "split.test": (nothing, {"split": {"train": 0.8, "validation": 0.2, "test": 0.0}}, {}, files),
    "split.seed": (nothing, {}, {"split": {"seed": 3}}, files),
    "split.by": (with_days, {}, {"split": {"by": "time", "column": "day"}}, files),
    "split.column": (with_days, {"split": {"by": "time", "column": "day"}}, {"split": {"by": "time", "column": "updated"}}, files),
    "resample.by": (with_uneven_labels, {"resample": {"by": "who"}}, {"resample": {"by": "label"}}, files),
    "resample.to": (with_uneven_labels, {"resample": {"by": "label"}}, {"resample": {"by": "label", "to": {"positive": 0.3}}}, files),
    "resample.how": (with_uneven_labels, {"resample": {"by": "label"}}, {"resample": {"by": "label", "how": "over"}}, files),
    "dedup.exact": (nothing, {}, {"dedup": {"exact": True}}, files),
    "dedup.near": (with_near_rows, {}, {"dedup": {"near": 0.8}}, files),
    "outputs": (nothing, {}, {"outputs": ["chat"]}, files),
    "canaries": (nothing, {}, {"canaries": 2}, files),
    "fixes": (with_ledger, {}, {"fixes": "other.jsonl"}, files),
    "lint.ignore": (nothing, {}, {"lint": {"ignore": ["DUP301"]}}, findings),
    "lint.select": (nothing, {}, {"lint": {"select": ["FMT"]}}, findings),
    "lint.severities": (nothing, {}, {"lint": {"severities": {"DUP": "info"}}}, findings),
    "lint.per_source_ignores": (nothing, {}, {"lint": {"per_source_ignores": {"rows.*": ["DUP301"]}}}, findings),
    "lint.profile": (with_patients, {}, {"lint": {"profile": "medical"}}, findings),
    "lint.thresholds": (with_uneven_labels, {}, {"lint": {"thresholds": {"BAL101.evenness": 0.1}}}, findings),
    "lint.expect.label_share": (nothing, {}, {"lint": {"expect": {"label_share": {"good": [0.9, 1.0]}}}}, findings),
    "lint.expect.lengths": (nothing, {}, {"lint": {"expect": {"lengths": {"input": [1, 10]}}}}, findings),
    "lint.expect.slices": (nothing, {}, {"lint": {"expect": {"slices": {"label": {"good": 1000}}}}}, findings),
    "lint.expect.languages": (with_sentences, {}, {"lint": {"expect": {"languages": ["zh"]}}}, findings),
    "lint.expect.priors": (nothing, {}, {"lint": {"expect": {"priors": {"refusal": 0.5}}}}, findings),
}
# Read by other commands, whose own tests say what each key does; here only that the section reaches them.
SECTIONS = ("train", "mixture", "stages", "sweep", "rlhf", "evals", "loop")


@pytest.mark.parametrize("field", EFFECTS)
def test_a_field_changes_something(tmp_path: Path, field: str) -> None:
    prepare, without, given, look = EFFECTS[field]
    seen = []
    for folder, config in (("without", without), ("given", given)):
        project = make_project(tmp_path / folder, ROWS)
        prepare(project)
        project.configure(**config)
        seen.append(look(project))
    assert seen[0] != seen[1]


def test_the_model_changes_what_the_token_rules_see(tmp_path: Path, tiny_model_dir: Path) -> None:
    project = make_project(tmp_path, ROWS)
    project.build()
    without = lint(project.out, options=LintOptions()).skipped
    project.configure(model=str(tiny_model_dir))
    project.build()
    assert lint(project.out, options=LintOptions()).skipped != without


def test_a_finding_that_stands_is_named_by_its_row_and_its_rule_with_the_reason(tmp_path: Path) -> None:
    project = make_project(tmp_path, ROWS)
    project.build()
    copy = next(one for one in lint(project.out, options=LintOptions()).diagnostics if one.code == "DUP301")
    held_back = {}
    for id_, code in ((copy.row_id, "DUP301"), ("0" * 32, "DUP301"), (copy.row_id, "DUP302")):
        project.configure(lint={"suppress": [{"id": id_, "code": code, "reason": "A regular guest says it each week."}]})
        project.build()
        held_back[id_, code] = lint(project.out, options=LintOptions()).num_suppressed
    assert held_back == {(copy.row_id, "DUP301"): 1, ("0" * 32, "DUP301"): 0, (copy.row_id, "DUP302"): 0}
    project.configure(lint={"suppress": [{"id": copy.row_id, "code": "DUP301", "reason": ""}]})
    with pytest.raises(UserError, match="reason"):
        project.build()


@pytest.mark.parametrize("given", [{"fold_system": True}, {"date": "2026-01-31"}])
def test_how_the_chat_template_is_used_changes_the_prompt(tmp_path: Path, tiny_model_dir: Path, given: dict[str, Any]) -> None:
    shutil.copytree(tiny_model_dir, tmp_path / "model")
    dated = CHATML.replace("{% for", "Today is {{ strftime_now('%Y-%m-%d') }}.{% for", 1)
    make_tokenizer(dated).save_pretrained(tmp_path / "model")
    template = TEMPLATE.replace("{% message", '{% message "system" %}Be short.{% endmessage %}\n{% message', 1)
    seen = []
    for folder, config in (("without", {}), ("given", {"chat_template": given})):
        project = make_project(tmp_path / folder, ROWS)
        project.write("mine.jinja", template)
        project.configure(**config)
        project.build()
        ((_, pieces),) = show(project.out, split=None, example_id=None, limit=1, model=str(tmp_path / "model"))
        seen.append([piece.text for piece in pieces or ()])
    assert seen[0] != seen[1]


def test_how_thoughts_are_treated_changes_what_is_trained(tmp_path: Path, tiny_model_dir: Path) -> None:
    shutil.copytree(tiny_model_dir, tmp_path / "model")
    make_tokenizer(SWITCHED).save_pretrained(tmp_path / "model")
    trained = []
    for folder, options in (("off", {}), ("on", {"kwargs": {"enable_thinking": True}})):
        project = make_project(tmp_path / folder, ROWS, chat_template=options)
        project.build()
        ((_, pieces),) = show(project.out, split=None, example_id=None, limit=1, model=str(tmp_path / "model"))
        trained.append("".join(piece.text for piece in pieces or () if piece.trained))
    assert trained[1].removeprefix("\n</think>\n\n") == trained[0] != trained[1]
    project.configure(chat_template={"kwargs": {"enable_thinking": True}, "reasoning": "refuse"})
    project.build()
    with pytest.raises(UserError, match="opens a thought"):
        show(project.out, split=None, example_id=None, limit=1, model=str(tmp_path / "model"))


@pytest.mark.parametrize(("without", "given"), [({"tokens": 160}, {"tokens": 60}), ({"tokens": 160}, {"tokens": 160, "overlap": 70})])
def test_how_a_field_is_cut_changes_the_pieces(tmp_path: Path, tiny_model_dir: Path, without: Any, given: Any) -> None:
    long = " ".join(f"The guest at table {number} was pleased." for number in range(20))
    project = make_project(tmp_path, [{"text": long, "id": "x"}], model=str(tiny_model_dir), templates=[{"name": "general/text"}])
    seen = []
    for chunk in ({"field": "text", **without}, {"field": "text", **given}, {"field": "id", **given}):
        project.configure(model=str(tiny_model_dir), templates=[{"name": "general/text"}], chunk=chunk)
        seen.append(files(project)["completion/train.jsonl"])
    assert len(set(seen)) == 3


class Section(BaseModel):
    number: int = 0


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_reaches_its_command(tmp_path: Path, section: Any) -> None:
    config: dict[str, Any] = {section: {"number": 7}}
    project = make_project(tmp_path, **config)
    assert load_section(project.config, section, Section).number == 7


def leaves(model: type[BaseModel], path: str = "") -> Iterator[str]:
    """Every field of a config model, by its key path."""
    import typing

    for name, field in model.model_fields.items():
        pending, inner = [field.annotation], None
        while pending:
            annotation: Any = pending.pop()
            if isinstance(annotation, type) and issubclass(annotation, BaseModel):
                inner = annotation
            pending.extend(typing.get_args(annotation))
        yield from leaves(inner, f"{path}{name}.") if inner else [path + name]


def test_no_field_is_without_a_test_of_its_effect() -> None:
    suppress = {"lint.suppress.id", "lint.suppress.code", "lint.suppress.reason"}
    plugins = {f"plugins.{kind}" for kind in KINDS}  # tests/test_plugins.py has one of each
    alone = {"model", "chunk.field", "chunk.tokens", "chunk.overlap", "chat_template.fold_system", "chat_template.date"}
    alone |= {"chat_template.kwargs", "chat_template.reasoning"}
    assert set(leaves(BuildConfig)) == {*EFFECTS, *SECTIONS, *suppress, *plugins, *alone}
