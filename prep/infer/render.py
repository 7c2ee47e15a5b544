"""A first config as its file says it: YAML in which whatever the data is called stays a text, with a comment for each guess."""

import re

import yaml

from prep.infer.draft import Draft
from prep.text.language import UNKNOWN
from templates.library import library_template

# What YAML refuses even in a comment.
_UNPRINTABLE = re.compile("[^\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]+")


def render(draft: Draft) -> str:
    """Returns the config."""
    explained = "".join(f"#   {_comment(guess)}\n" for guess in draft.guesses)
    language = f"language: {_yaml(draft.language)}\n" if draft.language != UNKNOWN else ""
    by_time = f"# split: {{by: time, column: {_yaml(draft.date)}}}  # the newest rows into test, as production will see them\n"
    taken = {name: ", ".join(library_template(name).required_fields) for name in draft.others}
    others = "".join(f"  # - name: {name}  # fits too, with fields for: {fields}\n" for name, fields in taken.items())
    labels = f"labels: {_yaml(draft.labels)}\n" if draft.labels else "# labels: {raw value: verbalizer key}\n"
    profile = "lint: {profile: medical}  # looks for what identifies a patient, by Safe Harbor's list\n" if draft.is_clinical else ""
    return (
        f"# Guessed from the data; correct what is wrong.\n{explained}"
        f"name: {_yaml(draft.name)}\n{language}"
        f"sources:\n{''.join(_source(draft, number) for number in range(len(draft.sources)))}"
        f"templates:\n  - {_yaml(draft.template)[1:-1]}\n{others}{labels}"
        f"split: {_yaml({**draft.split, 'seed': 17})}\n"
        f"{by_time if draft.date else ''}"
        "# dedup: {exact: true}\n"
        "# outputs: [chat, verbalizer]  # default: every form that the template gives\n"
        f"{profile}"
    )


def _source(draft: Draft, number: int) -> str:
    source = draft.sources[number]
    options = "".join(f"    {key}: {_yaml(value)}\n" for key, value in source.items() if key != "path")
    key = f"    key: {_yaml(draft.key)}  # unique id column; keeps fixes attached to rows\n" if draft.key else ""
    group = f"    group: {_yaml(draft.group)}" if draft.group else "    # group: customer"
    turns = ""
    if draft.transcript:
        mark = "" if draft.has_turns else "# "
        why = "makes a list of turns of the transcript, for templates with 'turns'"
        turns = f"    {mark}turns: {{field: {_yaml(draft.transcript)}}}  # {why}\n"
    return (
        f"  - path: {_yaml(source['path'])}\n{options}"
        f"    fields: {_yaml(draft.fields)}  # the template's field: the file's column\n{key}"
        f"{group}  # rows that share it stay in one split\n{turns}"
    )


def _yaml(value: object) -> str:
    return (
        yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000, sort_keys=False)
        .removesuffix("\n")
        .removesuffix("\n...")
    )


def _comment(text: str) -> str:
    return " ".join(_UNPRINTABLE.sub(" ", text).split())
