"""A first config from a look at the data: columns, types, likely text and label fields, each guess explained."""

import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import yaml

from loopwright.errors import UserError
from loopwright.files import write_atomic
from prep.config import SourceConfig
from prep.rows import META_COLUMNS, find_files, read_rows

_LOOK = 2_000  # rows; enough to tell a label from a name
_MAX_LABELS = 30
_MIN_LABEL_SHARE = 0.01  # a rarer value is more often a slip of the pen than a class
_MIN_FILLED = 0.5  # share of the rows in which a label stands
_LABEL_NAMES = ("label", "sentiment", "class", "category", "intent", "liked", "rating", "stars", "target", "type", "specialty", "topic")
_ANSWER_NAMES = ("summary", "summaries", "reply", "response", "output", "answer", "completion", "plain", "target", "rewrite")
_GROUP_NAMES = ("customer", "patient", "user", "author", "contract", "client", "account", "speaker", "group")


@dataclass(frozen=True, slots=True)
class WrittenConfig:
    """What `prep init` wrote.

    Attributes:
        path: the config.
        guesses: one line each: what was guessed and from what.
    """

    path: Path
    guesses: list[str]


@dataclass(frozen=True, slots=True)
class _Column:
    """What a look at one column shows.

    Attributes:
        name: its name.
        values: its values, without nulls and blanks.
        num_distinct: how many different ones.
        mean_words: words a value.
    """

    name: str
    values: list[str]
    num_distinct: int
    mean_words: float

    @property
    def is_unique(self) -> bool:
        return self.num_distinct == len(self.values)

    @property
    def is_label(self) -> bool:
        few = 2 <= self.num_distinct <= min(_MAX_LABELS, max(2, len(self.values) // 4))
        return few and self.mean_words <= 3

    @property
    def is_turns(self) -> bool:
        return bool(self.values) and self.values[0].startswith("[{") and "text" in self.values[0]


def write_config(data: Path, out: Path | None = None) -> WrittenConfig:
    """Writes a commented config for a raw file, and a template beside it where the task is to sort by a label.

    Args:
        data: the raw file.
        out: the config; default: beside the file, with its name.

    Raises:
        UserError: the file cannot be read, has no rows, or the config exists already.
    """
    path = out or data.with_suffix(".yaml")
    if path.exists():
        raise UserError("the config exists already", str(path), "Name another with --out, or remove it.")
    if not data.is_file():
        raise UserError("the file does not exist", str(data), "Give a raw file: csv, tsv, json, jsonl, txt or parquet.")
    source = SourceConfig(path=data.name)
    files = find_files((source,), data.parent, str(path))
    frame = read_rows(files).frame.head(_LOOK).collect()
    if frame.is_empty():
        raise UserError("the file has no row that can be read", str(data), "Check its format.")
    columns = [_look_at(frame[name]) for name in frame.columns if name not in META_COLUMNS]
    name = re.sub(r"[^a-z0-9_-]+", "-", data.stem.lower()).strip("-") or "dataset"
    guesses = [f"format: {files[0].format.name}, by the file's ending; {frame.height:,} rows looked at"]
    plan = _plan(columns, name, guesses)
    if plan.template_source is not None:
        template_path = path.with_name(f"{name}.jinja")
        if template_path.exists():
            raise UserError("the template exists already", str(template_path), "Remove it, or name another config with --out.")
        write_atomic(template_path, plan.template_source)
        guesses.append(f"template: {template_path.name}, written beside the config; edit its words")
    shown = str(data.relative_to(path.parent)) if data.is_relative_to(path.parent) else str(data.resolve())
    write_atomic(path, _render(name, shown, plan, guesses))
    return WrittenConfig(path, guesses)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the config will say."""

    fields: dict[str, str]
    template: dict[str, str]
    template_source: str | None
    key: str | None
    group: str | None


def _look_at(series: pl.Series) -> _Column:
    values = [value for value in series.drop_nulls() if value.strip()]
    words = sum(len(value.split()) for value in values) / max(len(values), 1)
    return _Column(series.name, values, len(set(values)), words)


def _named(columns: list[_Column], names: tuple[str, ...]) -> list[_Column]:
    """Returns the columns whose name holds one of the words, in the order of the words."""
    return [column for name in names for column in columns if name in column.name.lower()]


def _plan(columns: list[_Column], name: str, guesses: list[str]) -> _Plan:
    key = next((one for one in columns if one.is_unique and one.mean_words <= 1 and one.name.lower().endswith("id")), None)
    if key:
        guesses.append(f"key: '{key.name}', because each row has its own")
    group = next((one for one in _named(columns, _GROUP_NAMES) if one.mean_words <= 3 and not one.is_unique), None)
    if group:
        guesses.append(f"group: '{group.name}', by its name and because values recur")
    turns = next((one for one in columns if one.is_turns), None)
    texts = sorted((one for one in columns if one not in (key, group, turns)), key=lambda one: -one.mean_words)
    answer = next((one for one in _named(texts, _ANSWER_NAMES) if one.mean_words > 3), None)
    # A column that is mostly blank, such as a remark, would drop most rows as a label.
    num_filled = max(len(one.values) for one in columns)
    labels = [one for one in columns if one.is_label and one is not group and len(one.values) >= _MIN_FILLED * num_filled]
    label = next(iter(_named(labels, _LABEL_NAMES)), labels[0] if labels else None)
    ids = {"key": key.name if key else None, "group": group.name if group else None}
    if turns and answer:
        guesses += [f"turns: '{turns.name}', because it holds a list of turns", f"summary: '{answer.name}', by its name"]
        return _Plan({"turns": turns.name, "summary": answer.name}, {"name": "calls/summary"}, None, **ids)
    if not texts:
        raise UserError("no column looks like text", remedy="Write the config by hand: docs/reference/config.md says what it may hold.")
    text = next((one for one in texts if one is not answer), texts[0])
    if answer is not None and answer is not text:
        guesses += [f"message: '{text.name}', the longest text", f"reply: '{answer.name}', by its name"]
        return _Plan({"message": text.name, "reply": answer.name}, {"name": "general/reply"}, None, **ids)
    guesses.append(f"text: '{text.name}', the longest text ({text.mean_words:.0f} words a row)")
    if label is not None and label is not text:
        counts = Counter(label.values)
        values = sorted(value for value, count in counts.items() if count >= _MIN_LABEL_SHARE * len(label.values))
        guesses.append(f"label: '{label.name}', because it has only {len(counts)} values: {', '.join(sorted(counts)[:6])}")
        if rare := sorted(set(counts) - set(values)):
            guesses.append(f"labels: {', '.join(rare)} are rare and left out; map them under 'labels', or their rows are dropped")
        return _Plan({"text": text.name, "label": label.name}, {"path": f"{name}.jinja"}, _label_template(name, values), **ids)
    return _Plan({"text": text.name}, {"name": "general/text"}, None, **ids)


def _label_template(name: str, values: list[str]) -> str:
    header = {
        "name": f"mine/{name}",
        "version": "1",
        "task": "sort texts by label",
        "inputs": {"text": "str", "label": "str"},
        "verbalizer": {value: value for value in values},
        "metrics": ["accuracy", "macro_f1"],
    }
    words = json.dumps(", ".join(values), ensure_ascii=False)[1:-1].replace("{", "(").replace("}", ")")
    return (
        f"---\n{yaml.safe_dump(header, sort_keys=False, allow_unicode=True)}---\n"
        f'{{% message "system" %}}Answer with one of: {words}.{{% endmessage %}}\n'
        '{% message "user" %}{{ text | trim }}{% endmessage %}\n'
        '{% message "assistant" %}{{ label | verbalize }}{% endmessage %}\n'
        "{% prompt %}\nText: {{ text | trim }}\nLabel:\n{% endprompt %}\n"
        "{% target %} {{ label | verbalize }}{% endtarget %}\n"
    )


def _render(name: str, data: str, plan: _Plan, guesses: list[str]) -> str:
    def line(value: object) -> str:
        return yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000).removesuffix("\n").removesuffix("\n...")

    explained = "".join(f"#   {guess}\n" for guess in guesses)
    group = (
        f"    group: {line(plan.group)}  # rows that share it stay in one split\n"
        if plan.group
        else "    # group: customer  # rows that share it stay in one split\n"
    )
    key = f"    key: {line(plan.key)}  # names a row for good, so that fixes survive an edit of the file\n" if plan.key else ""
    return (
        f"# Guessed from the data; correct what is wrong.\n{explained}"
        f"name: {name}\n"
        f"sources:\n  - path: {line(data)}\n    fields: {line(plan.fields)}  # the template's field: the file's column\n{key}{group}"
        f"templates:\n  - {line(plan.template)[1:-1]}\n"
        "split: {train: 0.8, validation: 0.1, test: 0.1, seed: 17}\n"
        "# dedup: {exact: true}\n"
        "# labels: {raw value: verbalizer key}\n"
        "# outputs: [chat, verbalizer]  # default: every form that the template gives\n"
    )
