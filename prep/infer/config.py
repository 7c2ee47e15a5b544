"""A first config from a look at the data: format, columns, language and a template, each guess explained."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from loopwright.errors import UserError
from loopwright.files import write_atomic
from prep.infer.columns import LABEL_NAMES, Column, invent_names, look_at, named
from prep.infer.templates import Proposal, common_values, proposals
from prep.sources.files import SourceFile, find_files
from prep.sources.rows import META_COLUMNS, iter_rows
from prep.sources.source_config import SourceConfig
from prep.text.language import UNKNOWN, common_language
from templates.library import library_template

_LOOK = 20_000  # rows: many files are sorted by their label
_LANGUAGE_TEXTS = 200
_NUMBERED = re.compile(r"column_\d+")  # what the reader calls the columns of a table without a header
_CHINESE = "gb18030"
_MAX_BAD_SHARE = 0.05
_MAX_OTHERS = 3
_MAX_OWN_LABELS = 30
_SURE_SCORE = 4.0  # more than a text of the right name gives: the columns are those of a template that sorts nothing
_MAX_DISTANCE = 3.0  # points by which another template may be worse and still be named


@dataclass(frozen=True, slots=True)
class WrittenConfig:
    """What `prep init` wrote.

    Attributes:
        path: the config.
        guesses: one line each: what was guessed and from what.
    """

    path: Path
    guesses: list[str]


@dataclass(slots=True)
class _Draft:
    """The config in the making."""

    name: str
    source: dict[str, Any]
    guesses: list[str] = field(default_factory=list)
    language: str = UNKNOWN
    fields: dict[str, str] = field(default_factory=dict)
    template: dict[str, str] = field(default_factory=dict)
    template_source: str | None = None
    others: list[str] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    key: str | None = None
    group: str | None = None
    date: str | None = None
    transcript: str | None = None


def write_config(data: Path, out: Path | None = None, encoding: str | None = None) -> WrittenConfig:
    """Writes a commented config for a raw file, and a template beside it where no template of the library knows the labels.

    Args:
        data: the raw file, or a folder of them.
        out: the config; default: beside the file, with its name.
        encoding: the file's text encoding; None to look for it.

    Raises:
        UserError: the file cannot be read, has no rows, or the config exists already.
    """
    path = out or (data.with_suffix(".yaml") if data.is_file() else data.with_name(f"{data.name}.yaml"))
    if path.exists():
        raise UserError("the config exists already", str(path), "Name another with --out, or remove it.")
    if not data.exists():
        raise UserError("the file does not exist", str(data), "Give a raw file: csv, tsv, json, jsonl, txt or parquet.")
    name = re.sub(r"[^a-z0-9_-]+", "-", data.stem.lower()).strip("-") or "dataset"
    shown = str(data.relative_to(path.parent)) if data.is_relative_to(path.parent) else str(data.resolve())
    draft = _Draft(name, {"path": shown} if encoding is None else {"path": shown, "encoding": encoding})
    frame = _read(data, draft)
    columns = look_at(frame, [one for one in frame.columns if one not in META_COLUMNS])
    _guess_roles(columns, draft)
    _guess_template([column for column in columns if column.name not in {draft.key, draft.group}], draft, data)
    if draft.template_source is not None:
        template_path = path.with_name(draft.template["path"])
        if template_path.exists():
            raise UserError("the template exists already", str(template_path), "Remove it, or name another config with --out.")
        write_atomic(template_path, draft.template_source)
    write_atomic(path, _render(draft))
    return WrittenConfig(path, draft.guesses)


def _read(data: Path, draft: _Draft) -> pl.DataFrame:
    """Returns the file's first rows; notes in the draft what has to be said for it to be read so."""
    frame, file = _rows_of(data, {}, draft)
    header = [one for one in frame.columns if one not in META_COLUMNS]
    if header and all(_NUMBERED.fullmatch(name) for name in header) and any("looks like a row" in text for text in file.notices):
        names = invent_names(look_at(frame, header))
        draft.guesses.append(f"columns: {', '.join(names)}; named here, because the first line looks like a row and not like a header")
        draft.source["columns"] = names
        frame, file = _rows_of(data, {"columns": names}, draft)
    if frame.is_empty():
        raise UserError("the file has no row that can be read", str(data), "Check its format.")
    looked = f"{frame.height:,} rows looked at" if frame.height < _LOOK else f"the first {_LOOK:,} rows looked at"
    by = "by the file's ending" if data.suffix.lower() in file.format.suffixes else "by its content"
    draft.guesses.insert(0, f"format: {file.format.name}, {by}; {looked}")
    draft.guesses[1:1] = [f"format: {text}" for text in dict.fromkeys(file.notices) if "is read as" in text]
    return frame


def _rows_of(data: Path, options: dict[str, Any], draft: _Draft) -> tuple[pl.DataFrame, SourceFile]:
    """Reads the first rows; where many of them are no UTF-8, with the encoding under which they can be read."""
    encoding = draft.source.get("encoding", "utf-8")
    source = SourceConfig.model_validate({**options, "path": str(data.resolve()), "encoding": encoding, "name": "look"})
    files = find_files((source,), data.resolve().parent, "prep init")
    try:
        batches = list(iter_rows(files[:1], _LOOK))
    except UserError as error:
        batches = []
        if "UTF-8" not in str(error) and "utf-8" not in str(error):
            raise
    num_bad = sum(row.reason == "bad_encoding" for batch in batches for _, row in batch.rejected)
    num_rows = sum(batch.frame.height for batch in batches)
    if "encoding" not in draft.source and (not batches or num_bad > _MAX_BAD_SHARE * (num_rows + num_bad)):
        draft.source["encoding"] = _encoding_of(files[0].path)
        draft.guesses.append(f"encoding: {draft.source['encoding']}, because the bytes are not UTF-8; check that the words are right")
        return _rows_of(data, options, draft)
    frames = [batch.frame for batch in batches if batch.frame.height]
    return (pl.concat(frames, how="diagonal") if frames else pl.DataFrame()), files[0]


def _encoding_of(path: Path) -> str:
    with path.open("rb") as file:
        sample = file.read(1 << 16).rpartition(b"\n")[0]
    text = sample.decode(_CHINESE, "ignore")
    han = sum("一" <= character <= "鿿" for character in text)
    # Nearly every byte string decodes as either; Chinese text gives common characters and little else beyond ASCII.
    foreign = sum(character > "\x7f" for character in text)
    if han > 0.6 * max(foreign, 1) and han > 0.1 * len(text):
        return _CHINESE
    # Latin-1 has control characters where Windows has its curly quotes, dashes and the euro.
    return "cp1252" if any(0x80 <= byte < 0xA0 for byte in sample) else "latin-1"


def _guess_roles(columns: list[Column], draft: _Draft) -> None:
    """Tells ids, groups, dates, transcripts and what is better left out."""
    say = draft.guesses.append
    if key := next((column for column in columns if column.is_id), None):
        draft.key = key.name
        say(f"key: '{key.name}', because each row has its own")
    if group := next((column for column in columns if column.is_group and not column.is_id), None):
        draft.group = group.name
        say(f"group: '{group.name}', by its name and because its {group.num_distinct:,} values recur over {len(group.values):,} rows")
    if date := next((column for column in columns if column.is_date), None):
        draft.date = date.name
        say(f"date: '{date.name}', by its values; the split can go by it")
    for column in columns:
        reason = column.unusable()
        if reason and column.name not in {draft.key, draft.group, draft.date}:
            say(f"not used: '{column.name}', because {reason}")
    texts = [
        value
        for column in columns
        if column.is_text or column.is_turns
        for value in column.values[:_LANGUAGE_TEXTS]
        if column.mean_words > 2
    ]
    draft.language, share = common_language(texts)
    if draft.language == UNKNOWN:
        say("language: unknown; set 'language:' for the dataset card")
    else:
        say(f"language: {draft.language}, by the script and the commonest words of {share:.0%} of the texts that show one")


def _guess_template(columns: list[Column], draft: _Draft, data: Path) -> None:
    say = draft.guesses.append
    folder = data.resolve().parent.name
    subject = " ".join((folder, data.stem.replace("_", " "), *(column.name.replace("_", " ") for column in columns)))
    usable = [column for column in columns if column.unusable() is None or column.is_turns or column.is_json]
    fitting = proposals(usable, draft.language, subject)
    own = _own_template(usable, draft, fitting[0] if fitting else None)
    if own is not None:
        text, label = own
        draft.fields = {"text": text.name, "label": label.name}
        draft.template = {"path": f"{draft.name}.jinja"}
        values = common_values(label)
        draft.template_source = _label_template(draft.name, values)
        say(f"text: '{text.name}', the longest text ({text.mean_words:.0f} words a row)")
        say(_label_guess(label))
        if rare := sorted(set(label.counts) - set(values)):
            shown = ", ".join(rare[:6])
            say(f"labels: {shown} {'are' if len(rare) > 1 else 'is'} rare and left out; map them under 'labels', or their rows are dropped")
        say(
            f"template: {draft.template['path']}, written beside the config, because the library has none about this with these labels; "
            "edit its words"
        )
    elif fitting:
        _take(fitting[0], usable, draft)
    else:
        raise UserError("no column looks like text", str(data), "Write the config by hand: docs/reference/config.md says what it may hold.")
    near = [one.template.name for one in fitting if one.score >= fitting[0].score - _MAX_DISTANCE]
    draft.others = [name for name in near if name != draft.template.get("name")][:_MAX_OTHERS]
    talk = next((column for column in usable if column.is_transcript and column.name in draft.fields.values()), None)
    draft.transcript = talk.name if talk else None


def _own_template(columns: list[Column], draft: _Draft, best: Proposal | None) -> tuple[Column, Column] | None:
    """Returns text and label where a template with the data's own labels is better than the library's best."""
    labels = [column for column in columns if column.is_label and column.name != draft.group]
    label = next(iter(named(labels, LABEL_NAMES)), labels[0] if labels else None)
    texts = [column for column in columns if column.is_text and column is not label and column.mean_words > 1]
    if label is None or not texts:
        return None
    if best is not None:
        inputs = [name for name, column in best.fields.items() if column == label.name]
        # Where the library knows the labels, or shows them to the model, it is right; a prompt that lists very many is not.
        if inputs and (best.template.words or inputs[0] in best.template.input_fields or label.num_distinct > _MAX_OWN_LABELS):
            return None
        if not inputs and best.score >= _SURE_SCORE:
            return None
    return max(texts, key=lambda column: column.mean_words), label


def _take(best: Proposal, columns: list[Column], draft: _Draft) -> None:
    template = best.template
    draft.template, draft.fields, draft.labels = {"name": template.name}, best.fields, best.labels
    for name, column_name in best.fields.items():
        column = next(one for one in columns if one.name == column_name)
        if column.is_label and name not in template.input_fields:
            draft.guesses.append(_label_guess(column))
        elif column.is_turns:
            draft.guesses.append(f"{name}: '{column_name}', because it holds a list of turns")
        else:
            why = "by its name" if name in column_name.lower() or column_name.lower() in name else "by its name and length"
            draft.guesses.append(f"{name}: '{column_name}', {why} ({column.mean_words:.0f} words a row)")
    if best.labels:
        draft.guesses.append(
            f"labels: {', '.join(f'{raw} is {key}' for raw, key in best.labels.items())}, by the column's name;"
            f" swap {' and '.join(best.labels)} if this is wrong"
        )
    draft.guesses.append(f"template: {template.name} of the library ({template.header.description.rstrip('.')})")


def _label_guess(label: Column) -> str:
    shown = ", ".join(sorted(label.counts)[:6]) + (", ..." if label.num_distinct > 6 else "")
    by_name = " and its name says so" if named([label], LABEL_NAMES) else ""
    return f"label: '{label.name}', because it has only {label.num_distinct:,} values over {len(label.values):,} rows{by_name}: {shown}"


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


def _yaml(value: object) -> str:
    return (
        yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000, sort_keys=False)
        .removesuffix("\n")
        .removesuffix("\n...")
    )


def _render(draft: _Draft) -> str:
    explained = "".join(f"#   {' '.join(guess.split())}\n" for guess in draft.guesses)
    options = "".join(f"    {key}: {_yaml(value)}\n" for key, value in draft.source.items() if key != "path")
    key = f"    key: {_yaml(draft.key)}  # unique id column; keeps fixes attached to rows\n" if draft.key else ""
    group = f"    group: {_yaml(draft.group)}" if draft.group else "    # group: customer"
    turns = f"    # turns: {{field: {_yaml(draft.transcript)}}}  # makes a list of turns of the transcript, for templates with 'turns'\n"
    by_time = f"# split: {{by: time, column: {_yaml(draft.date)}}}  # the newest rows into test, as production will see them\n"
    taken = {name: ", ".join(library_template(name).required_fields) for name in draft.others}
    others = "".join(f"  # - name: {name}  # fits too, with fields for: {fields}\n" for name, fields in taken.items())
    language = f"language: {draft.language}\n" if draft.language != UNKNOWN else ""
    labels = f"labels: {_yaml(draft.labels)}\n" if draft.labels else "# labels: {raw value: verbalizer key}\n"
    return (
        f"# Guessed from the data; correct what is wrong.\n{explained}"
        f"name: {draft.name}\n{language}"
        f"sources:\n  - path: {_yaml(draft.source['path'])}\n{options}"
        f"    fields: {_yaml(draft.fields)}  # the template's field: the file's column\n{key}"
        f"{group}  # rows that share it stay in one split\n{turns if draft.transcript else ''}"
        f"templates:\n  - {_yaml(draft.template)[1:-1]}\n{others}{labels}"
        "split: {train: 0.8, validation: 0.1, test: 0.1, seed: 17}\n"
        f"{by_time if draft.date else ''}"
        "# dedup: {exact: true}\n"
        "# outputs: [chat, verbalizer]  # default: every form that the template gives\n"
    )
