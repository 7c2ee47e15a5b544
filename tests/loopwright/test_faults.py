"""What is wrong with a file's values is said in this project's words: never in pydantic's, which speak of types and unions."""

import re
import typing
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from pydantic_core.core_schema import ErrorType

from evals.config import EvalsConfig
from loopwright.config import validate
from loopwright.errors import UserError
from loopwright.faults import faults_of
from prep.config import BuildConfig
from templates.header import TemplateHeader
from train.config import TrainConfig

_CONFIG: dict[str, Any] = {"name": "x", "sources": [{"path": "a.csv"}], "templates": [{"name": "general/text"}]}
_HEADER: dict[str, Any] = {"name": "a/b", "inputs": {"text": "str"}}
_PYDANTIC = re.compile(
    r"[Ii]nput should|valid (integer|string|tuple|dictionary|number)|[Tt]uple|literal\[|dict\[|Extra inputs|unable to|parse"
)


@pytest.mark.parametrize(
    ("model", "data", "message"),
    [
        (BuildConfig, {**_CONFIG, "split": {"by": "tme"}}, "'split.by' is 'tme'. Did you mean 'time'? Write 'hash' or 'time'."),
        (BuildConfig, {**_CONFIG, "split": {"seed": 1.5}}, "'split.seed' is 1.5. Give a whole number."),
        (BuildConfig, {**_CONFIG, "split": {"train": "most"}}, "'split.train' is 'most'. Give a number."),
        (BuildConfig, {**_CONFIG, "split": {"train": 3}}, "'split.train' is 3. Give 1.0 or less."),
        (BuildConfig, {**_CONFIG, "dedup": {"near": 0}}, "'dedup.near' is 0. Give a number above 0.0."),
        (BuildConfig, {**_CONFIG, "dedup": {"exact": "maybe"}}, "'dedup.exact' is 'maybe'. Write true or false."),
        (BuildConfig, {**_CONFIG, "dedup": True}, "'dedup' is True. Give keys and values, as in {key: value}."),
        (BuildConfig, {**_CONFIG, "license": 4.0}, "'license' is 4.0. Put it in quotes: \"4.0\"."),
        (BuildConfig, {**_CONFIG, "license": ["a"]}, "'license' is ['a']. Give a text."),
        (BuildConfig, {**_CONFIG, "outputs": "chat"}, "'outputs' is 'chat'. Write it as a list: [chat]."),
        (
            BuildConfig,
            {**_CONFIG, "outputs": ["chta"]},
            "Did you mean 'chat'? Write 'chat', 'verbalizer', 'completion', 'preference' or 'unpaired'.",
        ),
        (BuildConfig, {**_CONFIG, "sources": {"path": "a"}}, "'sources' is {'path': 'a'}. Give a list."),
        (BuildConfig, {**_CONFIG, "templates": []}, "'templates' is []. It must not be empty."),
        (BuildConfig, {**_CONFIG, "labels": ["a"]}, "'labels' is ['a']. Give keys and values, as in {key: value}."),
        (
            BuildConfig,
            {**_CONFIG, "resample": {"by": "x", "to": 5}},
            "'resample.to' is 5. Write 'balanced', or give keys and values, as in",
        ),
        (BuildConfig, {**_CONFIG, "resample": {"by": "x", "to": {"a": "b"}}}, "'resample.to.a' is 'b'. Give a number."),
        (
            BuildConfig,
            {**_CONFIG, "lint": {"expect": {"label_share": {"a": [0.1]}}}},
            "'lint.expect.label_share.a' is [0.1]. An entry is missing.",
        ),
        (
            BuildConfig,
            {**_CONFIG, "lint": {"expect": {"label_share": {"a": [0, 0, 1]}}}},
            "'lint.expect.label_share.a' is [0, 0, 1]. Give no more than 2 entries.",
        ),
        (BuildConfig, {**_CONFIG, "chat_template": {"date": "May"}}, "'chat_template.date' is 'May'. Write a date, as in 2026-01-31."),
        (BuildConfig, {**_CONFIG, "sources": [{}]}, "the key 'sources.0.path' is missing. Add 'path:'."),
        (TemplateHeader, {**_HEADER, "inputs": {"text": "string"}}, "Did you mean 'str'? Write 'str', 'int', "),
        (TemplateHeader, {**_HEADER, "verbalizer": {"a": 3}}, "'verbalizer.a' is 3. Write it as a list: [3]."),
        (TemplateHeader, {**_HEADER, "verbalizer": {"a": {"en": 5}}}, "'verbalizer.a.en' is 5. Write it as a list: [5]."),
        (
            TemplateHeader,
            {**_HEADER, "name": "My mood"},
            "Write lower-case letters, digits, '-' and '_', with '/' between folders: mine/mood.",
        ),
        (TemplateHeader, {**_HEADER, "version": ["1"]}, "'version' is ['1']. Give a text."),
        (TrainConfig, {"epochs": "two"}, "'epochs' is 'two'. Give a whole number."),
        (EvalsConfig, {"split": "tets"}, "Did you mean 'test'?"),
        (EvalsConfig, {"form": "completion"}, "'form' is 'completion'. Write 'chat' or 'verbalizer'."),
    ],
)
def test_what_is_to_stand_there_is_said_in_plain_words(model: type[BaseModel], data: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        validate(data, model, "file.yaml")
    assert message in str(error.value)
    assert not _PYDANTIC.search(str(error.value).partition(" is ")[2]), error.value


_LIMITS = dict.fromkeys(("gt", "ge", "lt", "le", "multiple_of", "min_length", "max_length", "actual_length", "max_digits"), 2)
_CONTEXT = {
    **_LIMITS,
    **dict.fromkeys(("pattern", "expected", "error", "field_type", "class_name", "tag", "class", "method_name", "attribute"), "'a' or 'b'"),
    **dict.fromkeys(("discriminator", "expected_tags", "expected_schemes", "encoding", "encoding_error"), "'a' or 'b'"),
    **dict.fromkeys(("expected_version", "tz_expected", "tz_actual", "decimal_places", "whole_digits"), 4),
}


def _error(kind: str) -> ValidationError:
    return ValidationError.from_exception_data("Model", [{"type": kind, "loc": ("key",), "input": "given", "ctx": _CONTEXT}])


@pytest.mark.parametrize("kind", [one for one in typing.get_args(ErrorType) if one not in {"value_error", "assertion_error"}])
def test_no_kind_of_error_is_said_in_pydantics_words(kind: str) -> None:
    error = _error(kind)
    (fault,) = faults_of(error, {"key": "given"})
    assert fault.words and (fault.key == "key" or kind == "missing")
    assert error.errors()[0]["msg"].rstrip(".") not in fault.words
    assert not _PYDANTIC.search(fault.words)


@pytest.mark.parametrize(("version", "kept"), [("1", "1"), ("2.1", "2.1"), ("'1.10'", "1.10"), ("draft", "draft")])
def test_a_templates_version_may_be_a_number(tmp_path: Path, version: str, kept: str) -> None:
    from templates.template import load_template

    path = tmp_path / "a.jinja"
    path.write_text(
        f'---\nname: a/b\nversion: {version}\ninputs: {{text: str}}\n---\n{{% message "user" %}}{{{{ text }}}}{{% endmessage %}}',
        encoding="utf-8",
    )
    assert load_template(path).header.version == kept
