"""What kinds of text a task's answers restate: a call, a meeting, a consultation, a page of prose.

One instruction ("summarise this") may stand over several, and a file of open questions may hold summaries among all else. What answers keep
of a text depends on its kind, so that habits are read from the rows of one kind, and in a mix from those alone that restate their input.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

_SPEAKER = re.compile(r"(?:^|\n|<br ?/?>)[ \t]*[\[(*]{0,3}([^\W\d_][\w .'-]{0,24}?)[\])*]{0,3}:(?=[\s*])", re.IGNORECASE)
_MAX_READ = 3_000
_MIN_TURNS = 3
# A speaker whom so many texts have is a role; other dialogues are between people of all names.
_ROLE_SHARE = 0.02
_MIN_KIND_ROWS = 60
"""A kind with fewer rows tells too little: in one task its rows go by the whole task's habits."""
_WORD = re.compile(r"[^\W\d_]{4,}")
# An answer to a question has a few words of its text, a summary most: 0.4 and more of call summaries' words, 0.3 of clinical notes'.
_RESTATED_SHARE = 0.25
_MIN_CHARACTERS = 150
_SHORTER = 0.8
_DIALOGUE, _PROSE, _SMALL, _REST = "dialogue", "prose", "small", "rest"


@dataclass(frozen=True, slots=True)
class SourceKind:
    """The rows of a task that restate one kind of text.

    Attributes:
        rows: those to be looked at.
        sample: those from which habits are read.
        is_alike: whether the sample tells what the next answer does; not so for what is left of a mix.
    """

    rows: pl.DataFrame
    sample: pl.DataFrame
    is_alike: bool


def kinds_of(rows: pl.DataFrame, sample: pl.DataFrame) -> list[SourceKind]:
    """Divides the rows of one task by the kind of text that they restate.

    Args:
        rows: rows to be looked at, with `input`, `answer` and `one_task`.
        sample: those of the task from which habits are read, likewise.
    """
    one_task = bool(sample["one_task"].first())
    roles = _roles(sample["input"])
    named = _kinds(sample, roles, one_task=one_task)
    counts = Counter(kind for kind in named if kind is not None)
    small = [kind for kind, count in counts.items() if count < _MIN_KIND_ROWS]
    is_rest = sum(counts[kind] for kind in small) < _MIN_KIND_ROWS
    if len(counts) - len(small) + (not is_rest) < (2 if one_task else 1):
        return [SourceKind(rows, sample, one_task)]
    # Small kinds are looked at together: where they are few in all, by what the whole task does.
    merged = dict.fromkeys(small, _REST if is_rest else _SMALL)
    named, of_rows = (one.replace(merged).fill_null(_REST) for one in (named, _kinds(rows, roles, one_task=one_task)))
    found = []
    for (kind,), its_rows in rows.group_by(of_rows, maintain_order=True):
        its_sample = sample.filter(named == kind)
        is_known = kind != _REST and its_sample.height > 0
        found.append(SourceKind(its_rows, its_sample if is_known else sample, is_known or one_task))
    return found


def _kinds(rows: pl.DataFrame, roles: Mapping[str, int], *, one_task: bool) -> pl.Series:
    pairs = zip(rows["input"], rows["answer"], strict=True)
    return pl.Series(
        "kind", [_kind(source, roles) if one_task or _restates(source, answer) else None for source, answer in pairs], pl.String
    )


def _roles(texts: Iterable[str]) -> dict[str, int]:
    """Returns the speakers whom many texts have, with the number of those texts."""
    counts: Counter[str] = Counter()
    num_texts = 0
    for text in texts:
        num_texts += 1
        counts.update({name.casefold() for name in _SPEAKER.findall(text[:_MAX_READ])})
    return {name: count for name, count in counts.items() if count >= max(_MIN_KIND_ROWS, _ROLE_SHARE * num_texts)}


def _kind(source: str, roles: Mapping[str, int]) -> str:
    names: list[str] = [name.casefold() for name in _SPEAKER.findall(source[:_MAX_READ])]
    known: list[str] = [name for name in names if name in roles]
    if known:
        return "role " + max(known, key=lambda name: (roles[name], name))
    return _DIALOGUE if len(names) >= _MIN_TURNS else _PROSE


def _restates(source: str, answer: str) -> bool:
    if len(source) < _MIN_CHARACTERS or len(answer) > _SHORTER * len(source):
        return False
    words = {word.casefold() for word in _WORD.findall(answer)}
    folded = source.casefold()
    return bool(words) and sum(word in folded for word in words) >= _RESTATED_SHARE * len(words)
