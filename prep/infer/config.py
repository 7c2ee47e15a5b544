"""A first config from a look at the data: format, columns, language and a template, each guess explained."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from loopwright.errors import UserError
from loopwright.files import write_atomic
from prep.infer.columns import LABEL_NAMES, Column, look_at, named
from prep.infer.draft import Draft
from prep.infer.look import MAX_ROWS, TURNS, Look, look_into, read_turns
from prep.infer.own_template import OwnTask, answer_template, label_template, own_task
from prep.infer.render import render
from prep.infer.subject import is_clinical
from prep.infer.templates import Proposal, common_values, proposals
from prep.text.language import UNKNOWN, common_language

_LANGUAGE_TEXTS = 200
_MAX_OTHERS = 3
_MAX_DISTANCE = 3.0  # points by which another template may be worse and still be named
_FEWEST_EVALUATED = 10
_ENOUGH_EVALUATED = 20  # rows that a share is to give, so that by lot it hardly gives too few
_WITH_TEST_FILE = {"train": 0.9, "validation": 0.1, "test": 0.0}


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
class _Seen:
    """What was seen of all files.

    Attributes:
        train: the files whose rows are divided.
        test: the hold-out file.
        columns: those that all files have, as the rows to train on fill them.
        frame: the first rows of the files to train on.
    """

    train: list[Look]
    test: Look | None
    columns: list[Column]
    frame: pl.DataFrame

    @property
    def looks(self) -> list[Look]:
        """All files."""
        return [*self.train, *([] if self.test is None else [self.test])]


def write_config(
    data: Path | Sequence[Path], out: Path | None = None, *, test: Path | None = None, encoding: str | None = None
) -> WrittenConfig:
    """Writes a commented config for raw files, and a template beside it where no template of the library knows the labels.

    Args:
        data: a raw file, a folder of them, or several, which have the same columns.
        out: the config; default: beside the first file, with its name.
        test: a hold-out file: all of its rows go into the test split.
        encoding: the files' text encoding; None to look for it.

    Raises:
        UserError: a file cannot be read, has no rows, or lacks a column that the others have and the template needs; or the config exists
            already.
    """
    paths = [data] if isinstance(data, Path) else list(data)
    first = paths[0]
    path = out or (first.with_suffix(".yaml") if first.is_file() else first.with_name(f"{first.name}.yaml"))
    if path.exists():
        raise UserError("the config exists already", str(path), "Name another with --out, or remove it.")
    seen = _look(paths, test, encoding)
    name = re.sub(r"[^a-z0-9_-]+", "-", first.stem.lower()).strip("-") or "dataset"
    draft = Draft(name, [{"path": _shown(look.path, path.parent), **look.options} for look in seen.looks])
    if seen.test is not None:
        draft.sources[-1]["split"] = "test"
    _explain_files(seen, draft)
    _guess_roles(seen.columns, draft)
    columns = [*seen.columns, *_turns(seen, draft)]
    _guess_template([column for column in columns if column.name not in {draft.key, draft.group}], draft, seen)
    _require_columns(seen, draft)
    _guess_split(seen, draft)
    if is_clinical([column for column in columns if column.is_text]):
        draft.is_clinical = True
        draft.say("lint: profile: medical, because most texts hold words of a clinic")
    if draft.template_source is not None:
        template_path = path.with_name(draft.template["path"])
        if template_path.exists():
            raise UserError("the template exists already", str(template_path), "Remove it, or name another config with --out.")
        write_atomic(template_path, draft.template_source)
    write_atomic(path, render(draft))
    return WrittenConfig(path, draft.guesses)


def _shown(data: Path, folder: Path) -> str:
    return str(data.relative_to(folder)) if data.is_relative_to(folder) else str(data.resolve())


def _look(paths: Sequence[Path], test: Path | None, encoding: str | None) -> _Seen:
    train = [look_into(path, encoding) for path in paths]
    frame = pl.concat([look.frame for look in train], how="diagonal_relaxed")
    names = [name for name in train[0].names if all(name in look.names for look in train)]
    if not names:
        raise UserError("the files have no column in common", ", ".join(map(str, paths)), "Write a config for each of them.")
    return _Seen(train, None if test is None else look_into(test, encoding), look_at(frame, names), frame)


def _explain_files(seen: _Seen, draft: Draft) -> None:
    for look in seen.looks:
        where = f"{look.path.name}: " if len(seen.looks) > 1 else ""
        draft.guesses += [where + guess for guess in look.guesses]
    partial = dict.fromkeys(name for look in seen.train for name in look.names if any(name not in other.names for other in seen.train))
    for name in partial:
        lacking = next(look.path.name for look in seen.train if name not in look.names)
        draft.say(f"not used: '{name}', because {lacking} has no such column")
    if seen.test is not None:
        draft.say(f"test: all rows of {seen.test.path.name}, which no row of the other files joins")


def _turns(seen: _Seen, draft: Draft) -> list[Column]:
    """Returns the column of turns that a transcript gives, where all its texts show them; notes the transcript in any case."""
    talk = next((column for column in seen.columns if column.is_transcript and column.is_text and not column.is_about_row), None)
    if talk is None or any(column.is_turns for column in seen.columns):
        return []
    draft.transcript = talk.name
    read = [read_turns(look, talk.name) if talk.name in look.names else None for look in seen.looks]
    made = [turns for turns in read if turns is not None]
    if len(made) < len(seen.looks):
        return []
    draft.has_turns = True
    marks = "'<BR>' between them; the speakers are taken to alternate" if talk.has_breaks else "the marks of its speakers"
    draft.say(f"turns: of '{talk.name}', whose every text shows them by {marks}")
    turns = pl.concat([one.alias(TURNS) for one in made[: len(seen.train)]])
    return [replace(column, made_of=talk.name) for column in look_at(turns.to_frame(), [TURNS])]


def _guess_roles(columns: list[Column], draft: Draft) -> None:
    """Tells ids, groups, dates, transcripts and what is better left out."""
    say = draft.say
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


def _guess_template(columns: list[Column], draft: Draft, seen: _Seen) -> None:
    data = seen.train[0].path
    subject = " ".join((data.resolve().parent.name, data.stem.replace("_", " "), *(one.name.replace("_", " ") for one in columns)))
    usable = [column for column in columns if column.unusable() is None or column.is_turns or column.is_json]
    # A transcript whose turns are divided by marks that no model is to read is read as turns.
    hidden = {column.name for column in usable if draft.has_turns and column.name == draft.transcript and column.has_breaks}
    usable = [column for column in usable if column.name not in hidden]
    fitting = proposals(usable, draft.language, subject)
    own = own_task(usable, fitting[0] if fitting else None, draft.group)
    if own is not None:
        _take_own(own, draft, seen)
    elif fitting:
        _take(fitting[0], usable, draft)
    else:
        raise UserError("no column looks like text", str(data), "Write the config by hand: docs/reference/config.md says what it may hold.")
    near = [one.template.name for one in fitting if one.score >= fitting[0].score - _MAX_DISTANCE]
    draft.others = [name for name in near if name != draft.template.get("name")][:_MAX_OTHERS]


def _take_own(task: OwnTask, draft: Draft, seen: _Seen) -> None:
    """Takes a template of the data's own."""
    draft.template = {"path": f"{draft.name}.jinja"}
    text, answer = task.text, task.answer
    draft.fields = {"turns" if text.made_of else "text": text.name, "label" if task.is_label else "answer": answer.name}
    draft.say(f"turns: '{text.name}'" if text.made_of else f"text: '{text.name}', the longest text ({text.mean_words:.0f} words a row)")
    if not task.is_label:
        draft.template_source = answer_template(draft.name, task)
        draft.say(f"answer: '{answer.name}', a text of its own in most rows ({answer.mean_words:.0f} words a row)")
        why = "because the library has none about this"
    else:
        values = common_values(answer)
        draft.say(_label_guess(answer))
        if rare := sorted(set(answer.counts) - set(values)):
            shown, are = ", ".join(rare[:6]), "are" if len(rare) > 1 else "is"
            draft.say(f"labels: {shown} {are} rare and left out; map them under 'labels', or their rows are dropped")
        if seen.test is not None and answer.name in seen.test.names:
            [tested] = look_at(seen.test.frame, [answer.name])
            values = sorted({*values, *(value for value in tested.counts if value not in answer.counts)})
        draft.template_source = label_template(draft.name, task, values)
        why = "because the library has none about this with these labels"
    draft.say(f"template: {draft.template['path']}, written beside the config, {why}; edit its words")


def _require_columns(seen: _Seen, draft: Draft) -> None:
    """Refuses a test file without a column that is needed.

    Raises:
        UserError: it lacks one.
    """
    if seen.test is None:
        return
    needed = {*draft.fields.values(), *(name for name in (draft.key, draft.group) if name)} - ({TURNS} if draft.has_turns else set())
    if missing := sorted(needed - set(seen.test.names)):
        remedy = f"It has {', '.join(seen.test.names[:8])}. Name its columns as in {seen.train[0].path.name}, or leave --test out."
        raise UserError(f"the test file has no column '{missing[0]}'", str(seen.test.path), remedy)


def _guess_split(seen: _Seen, draft: Draft) -> None:
    """Sets the shares, and says where a split is too small to measure by, with what to set."""
    if seen.test is not None:
        draft.split = dict(_WITH_TEST_FILE)
        if seen.test.frame.height < _FEWEST_EVALUATED:
            few = f"{seen.test.path.name} has {seen.test.frame.height} rows, too few to measure by"
            draft.say(f"split: {few}; give a --test file of {_FEWEST_EVALUATED} or more")
    num_rows = seen.frame.height
    drawn = [name for name in ("validation", "test") if draft.split[name]]
    counts = {name: draft.split[name] * num_rows for name in drawn}
    small = [name for name in drawn if counts[name] < _FEWEST_EVALUATED]
    if not small or num_rows >= MAX_ROWS:
        return
    each = " each" if len(small) > 1 else ""
    few = f"split: {' and '.join(small)} would get about {round(counts[small[0]])} of the {num_rows:,} rows{each}, too few to measure by"
    share = math.ceil(20 * _ENOUGH_EVALUATED / num_rows) / 20
    if share * len(drawn) <= 0.5:
        shares = draft.split | dict.fromkeys(drawn, share) | {"train": round(1 - share * len(drawn), 2)}
        draft.say(f"{few}; set {_say_split(shares)}")
    elif share <= 0.5:
        shares = {"train": round(1 - share, 2), "validation": share, "test": 0.0}
        draft.say(f"{few}; set {_say_split(shares)}, and test on a file of its own: prep init ... --test FILE")
    else:
        shares = {"train": 1.0, "validation": 0.0, "test": 0.0}
        draft.say(f"{few}; set {_say_split(shares)} to train on all, and test on a file of its own: prep init ... --test FILE")


def _say_split(shares: dict[str, float]) -> str:
    return f"'split: {{{', '.join(f'{name}: {share:g}' for name, share in shares.items())}}}'"


def _take(best: Proposal, columns: list[Column], draft: Draft) -> None:
    template = best.template
    draft.template, draft.fields, draft.labels = {"name": template.name}, best.fields, best.labels
    for name, column_name in best.fields.items():
        column = next(one for one in columns if one.name == column_name)
        if column.is_label and name not in template.input_fields:
            draft.say(_label_guess(column))
        elif column.is_turns:
            draft.say(f"{name}: '{column_name}', because it holds a list of turns")
        else:
            why = "by its name" if name in column_name.lower() or column_name.lower() in name else "by its name and length"
            draft.say(f"{name}: '{column_name}', {why} ({column.mean_words:.0f} words a row)")
    if best.labels:
        draft.say(
            f"labels: {', '.join(f'{raw} is {key}' for raw, key in best.labels.items())}, by the column's name;"
            f" swap {' and '.join(best.labels)} if this is wrong"
        )
    draft.say(f"template: {template.name} of the library ({template.header.description.rstrip('.')})")


def _label_guess(label: Column) -> str:
    shown = ", ".join(sorted(label.counts)[:6]) + (", ..." if label.num_distinct > 6 else "")
    by_name = " and its name says so" if named([label], LABEL_NAMES) else ""
    return f"label: '{label.name}', because it has only {label.num_distinct:,} values over {len(label.values):,} rows{by_name}: {shown}"
