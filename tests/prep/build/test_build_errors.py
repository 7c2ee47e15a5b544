"""What a build refuses, and how it says so."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from loopwright.errors import UserError
from prep.dataset.manifest import Dataset
from tests.prep.helpers import TEMPLATE, contents, make_project, reviews


def say(**changes: Any) -> dict[str, Any]:
    return changes


@pytest.mark.parametrize(
    ("files", "config", "error"),
    [
        ({}, say(sources=[{"path": "none.csv"}]), r"mine\.yaml: sources\.0: the source 'none\.csv' is not there\. Check the path"),
        ({}, say(sources=[{"path": "no**where.csv"}]), r"sources\.0: the source 'no\*\*where\.csv' is not there"),
        ({}, say(sources=[{"path": "/no/*.csv"}]), r"sources\.0: the source '/no/\*\.csv' is not there"),
        (
            {"d/a.bin": "x"},
            say(sources=[{"path": "d"}]),
            r"sources\.0: the source 'd' is not there\. Put files there that end in one of: \.arrow, \.csv",
        ),
        ({"a.xyz": "x"}, say(sources=[{"path": "a.xyz"}]), r"sources\.0\.format: cannot tell the format of 'a\.xyz'.* Name it: 'format:'"),
        (
            {},
            say(sources=[{"path": "rows.jsonl", "format": "jsnl"}]),
            r"sources\.0\.format: unknown source format 'jsnl'\. Did you mean 'json",
        ),
        (
            {},
            say(sources=[{"path": "rows.jsonl", "fields": {"text": "txt"}}]),
            r"sources\.0\.fields\.text: 'rows\.jsonl' has no column 'txt'\. Did you mean 'text'\? It has: text, label\.",
        ),
        ({}, say(sources=[{"path": "rows.jsonl", "fields": {"#line": "text"}}]), r"mine\.yaml:\d+: 'sources\.0\.fields\.#line"),
        ({}, say(sources=[{"path": "rows.jsonl", "key": "id"}]), r"sources\.0\.key: 'rows\.jsonl' has no column 'id'"),
        ({}, say(sources=[{"path": "rows.jsonl", "group": "who"}]), r"sources\.0\.group: .* has no column 'who'"),
        ({}, say(spilt={}), r"mine\.yaml:\d+: unknown key 'spilt'\. Did you mean 'split'"),
        (
            {},
            say(templates=[{"name": "general/txt"}]),
            r"templates\.0: the library has no template 'general/txt'\. Did you mean 'general/text'",
        ),
        ({}, say(templates=[{"path": "none.jinja"}]), r"none\.jinja: the template does not exist"),
        ({}, say(templates=[{"path": "mine.jinja"}] * 2), r"templates\.1: two templates are called 'mine/sentiment'"),
        ({}, say(templates=[{"name": "general/text", "path": "mine.jinja"}]), r"mine\.yaml:\d+: 'templates\.0'.*either 'name'"),
        (
            {},
            say(templates=[{"name": "general/reply"}]),
            r"template 'general/reply' needs the field 'message', but the rows have 'text', 'label'\. Map it under sources\.0\.fields",
        ),
        ({}, say(labels={"1": "postive"}), r"labels\.1: 'postive' is no key of a template's verbalizer\. Did you mean 'positive'"),
        ({}, say(outputs=["completion"]), r"outputs: no template gives the output 'completion'\. The templates give: chat, verbalizer"),
        ({"mine.jinja": TEMPLATE.replace("endtarget", "endtgt")}, {}, r"mine\.jinja:12: the template does not parse"),
        ({"rows.jsonl": ""}, {}, r"rows\.jsonl: the file is empty"),
        ({"rows.csv": "text,label\n"}, say(sources=[{"path": "rows.csv"}]), r"mine\.yaml: the sources hold no row"),
        ({"rows.jsonl": "{bad\n[]\n"}, {}, r"no row is left to build from\. Dropped: 2 bad_json\. The first, rows\.jsonl:1: Expecting"),
        (
            {"rows.jsonl": "{bad\n"},
            say(sources=[{"path": "rows.jsonl", "fields": {"text": "a"}, "key": "b", "group": "c"}]),
            r"no row is left to build from",
        ),
        (
            {"rows.jsonl": '{"text": "a", "label": "what"}'},
            {},
            r"Dropped: 1 unknown_label\. The first, rows\.jsonl:1: label 'what' is no key of the verbalizer",
        ),
        (  # the commonest reason is told, though another stands first in the file
            {"rows.jsonl": "{bad\n" + "".join(json.dumps({"text": f"soup {n}", "label": n % 2}) + "\n" for n in range(40))},
            say(labels={}),
            r"Dropped: 40 unknown_label, 1 bad_json\. The first unknown_label, rows\.jsonl:2: label '0' is no key of .*"
            r" \(negative, positive\) in the config, for example `labels: \{0: negative, 1: positive\}`\.",
        ),
        (
            {"rows.jsonl": "".join(json.dumps({"text": f"soup {n}", "label": ("POS", "neg.")[n % 2]}) + "\n" for n in range(40))},
            say(labels={}),
            r"for example `labels: \{POS: positive, neg\.: negative\}`\.",
        ),
        (
            {"rows.json": b'[{"text": "\xe9"}]'},
            say(sources=[{"path": "rows.json"}]),
            r"Dropped: 1 bad_encoding\. The first, rows\.json:1: .*bytes of another encoding",
        ),
        (
            {"mine.fixes.jsonl": '{"op": "zap", "reason": "r"}\n{"op": "add", "after": {"a": 1}, "reason": "r"}\n'},
            {},
            r"fixes\.jsonl:1: 'op'[^\n]*\n[^\n]*fixes\.jsonl:2: 'after\.a'",
        ),
        ({"mine.fixes.jsonl": "{bad\n"}, {}, r"fixes\.jsonl:1: not valid JSON"),
        ({"mine.fixes.jsonl": '{"op": "add", "after": {"#split": "test"}, "reason": "r"}\n'}, {}, r"fixes\.jsonl:1: 'after\.#split"),
        ({"ledger/x": ""}, say(fixes="ledger"), r"ledger: the file is a folder"),
        ({"out": "a file"}, {}, r"out: --out is a file\. Name a folder"),
        ({"out/thesis.txt": "x"}, {}, r"out: --out is a folder with other things in it"),
        ({"out/index.html": "x", "out/manifest.json": '{"name": "a web page"}'}, {}, r"out: --out is a folder with other things in it"),
        ({"out/manifest.json": "no json"}, {}, r"out: --out is a folder with other things in it"),
    ],
)
def test_bad_input_is_refused_with_its_place_and_nothing_is_written(
    tmp_path: Path, files: dict[str, str | bytes], config: dict[str, Any], error: str
) -> None:
    project = make_project(tmp_path, **config)
    for name, content in files.items():
        project.write(name, content)
    before = contents(tmp_path)
    with pytest.raises(UserError, match=error):
        project.build()
    assert contents(tmp_path) == before
    assert {path.name for path in tmp_path.iterdir()} == {Path(name).parts[0] for name in before}


def test_the_errors_of_all_sources_come_together(tmp_path: Path) -> None:
    project = make_project(tmp_path, sources=[{"path": "one.csv"}, {"path": "two.csv"}])
    with pytest.raises(UserError) as error:
        project.build()
    assert "sources.0" in str(error.value) and "sources.1" in str(error.value)


@pytest.mark.parametrize("damage", ["{}", "not json", '{"loopwright_version": "9"}'])
def test_a_damaged_manifest_is_an_error(tmp_path: Path, damage: str) -> None:
    project = make_project(tmp_path)
    project.build()
    (project.out / "manifest.json").write_text(damage)
    with pytest.raises(UserError, match="the manifest is damaged"):
        Dataset.open(project.out)


@pytest.mark.parametrize("damage", ["no parquet at all", "", "cut", "columns"])
def test_damaged_examples_are_an_error(tmp_path: Path, damage: str) -> None:
    project = make_project(tmp_path, reviews(5))
    project.build()
    parquet = tmp_path / "out" / "examples.parquet"
    if damage == "columns":
        pl.read_parquet(parquet).drop("messages").write_parquet(parquet)
    else:
        parquet.write_bytes(parquet.read_bytes()[:500] if damage == "cut" else damage.encode())
    with pytest.raises(UserError, match=r"damaged or of another version\. Build the dataset again"):
        Dataset.open(tmp_path / "out").examples()


def test_strict_stops_at_bad_rows_but_not_at_what_was_asked_for(tmp_path: Path) -> None:
    project = make_project(tmp_path, [*reviews(3), *reviews(2)], dedup={"exact": True})
    project.build(strict=True)
    project.write("rows.jsonl", "{bad\n" * 30 + json.dumps(reviews(1)[0]))
    with pytest.raises(UserError) as error:
        project.build(strict=True)
    assert str(error.value).startswith("rows.jsonl:1: bad_json: Expecting property name")
    assert str(error.value).endswith("and 10 more rows. Build without --strict to list them in dropped.jsonl.")
    assert project.build().manifest.rows.dropped == {"bad_json": 30}


def test_expected_shares_of_unknown_labels_are_refused(tmp_path: Path) -> None:
    project = make_project(tmp_path, reviews(6))
    project.configure(lint={"expect": {"label_share": {"positiv": [0.4, 0.6]}}})
    with pytest.raises(UserError, match="'positiv' is no label") as refused:
        project.build()
    assert refused.value.remedy == "Did you mean 'positive'?"
