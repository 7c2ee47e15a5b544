"""One template of promptsource as a template file of ours."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment

from loopwright.errors import UserError
from templates.functions import FILTERS
from templates.promptsource.body import Body, Choices, convert_body
from templates.promptsource.idioms import in_our_words
from templates.promptsource.inputs import infer_inputs
from templates.promptsource.refusal import Refusal
from templates.promptsource.segments import map_tokens, read, write
from templates.template import Template, parse_template

# promptsource's names of metrics, where ours measure the same. The others are the default of the form.
_METRICS = {"Accuracy": "accuracy", "ROUGE": "rougeL", "Squad": "exact_match"}


@dataclass(frozen=True, slots=True)
class Converted:
    """A converted template: its name, its file's text, and the template that the text parses to."""

    name: str
    source: str
    template: Template


def convert(entry: Mapping[str, Any], name: str) -> Converted:
    """Converts one template.

    Args:
        entry: what the YAML holds of it: `jinja`, `answer_choices`, `name`, `metadata` and others.
        name: the name that it gets.

    Raises:
        Refusal: it cannot be converted; the message says exactly why.
    """
    jinja, answer_choices = entry.get("jinja"), entry.get("answer_choices")
    if not isinstance(jinja, str) or not isinstance(answer_choices, str | None):
        raise Refusal("its 'jinja' or its 'answer_choices' is no text")
    environment = promptsource_environment()
    segments = map_tokens(read(jinja, environment), in_our_words)
    listed = None if answer_choices is None else map_tokens(read(answer_choices, environment), in_our_words)
    choices = None if listed is None else Choices.of(listed)
    body = convert_body(segments, choices)
    used = write(segments) + ("" if listed is None or "answer_choices" not in body.source else write(listed))
    inputs = infer_inputs(used, environment, body.label)
    source = _header(entry, name, inputs, body, choices) + body.source
    try:
        return Converted(name, source, parse_template(source, f"{name}.jinja"))
    except UserError as error:
        raise Refusal(error.cause) from error


def promptsource_environment() -> Environment:
    """Returns a Jinja environment that knows promptsource's filters by name, for reading only: nothing is rendered in it."""
    environment = Environment()  # noqa: S701 (it writes no HTML, and renders nothing)
    environment.filters |= FILTERS
    return environment


def slug(text: str) -> str:
    """Returns a text as a part of a template's name."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_") or "template"


def _texts(metadata: Any, key: str) -> list[str]:
    """Returns the texts that metadata lists under a key; what is no list of texts says nothing."""
    listed = metadata.get(key) if isinstance(metadata, dict) else None
    return [one for one in listed if isinstance(one, str)] if isinstance(listed, list) else []


def _header(entry: Mapping[str, Any], name: str, inputs: Mapping[str, str], body: Body, choices: Choices | None) -> str:
    metadata = entry.get("metadata")
    metrics = [_METRICS[one] for one in _texts(metadata, "metrics") if one in _METRICS]
    languages = _texts(metadata, "languages")
    reference = " ".join(str(entry.get("reference") or "").split())
    lines = {
        "name": name,
        "inputs": dict(inputs),
        "task": str(entry.get("name") or ""),
        "description": f"From promptsource, template {entry.get('id')}." + (f" {reference}" if reference else ""),
        "language": languages[0] if languages else "",
    }
    if body.label is not None and choices is not None and choices.words is not None:
        lines["verbalizer"] = {str(index): word for index, word in enumerate(choices.words)}
    if metrics:
        lines["metrics"] = metrics
    # JSON is YAML, and quotes what has to be quoted.
    return "---\n" + "".join(f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in lines.items() if value != "") + "---\n"
