"""Which templates of the library fit a file's columns, by the names, the kinds and the words of their inputs."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from prep.infer.columns import ANSWER_NAMES, Column, named
from prep.infer.subject import is_about
from prep.text.language import UNKNOWN
from templates.form import Form
from templates.library import library_template, template_names
from templates.template import Template

# Input -> other names under which data sets have it.
_SYNONYMS = {
    "text": (
        "review",
        "sentence",
        "message",
        "comment",
        "sms",
        "tweet",
        "post",
        "content",
        "query",
        "utterance",
        "document",
        "article",
        "note",
    ),
    "label": ("liked", "sentiment", "category", "class", "target", "polarity", "type"),
    "sentiment": ("label", "polarity"),
    "intent": ("category", "label", "reason"),
    "stars": ("rating", "score"),
    "summary": ("summaries", "abstract", "highlights", "reference_summary"),
    "transcript": ("inputs", "dialogue", "conversation", "call"),
    "dialogue": ("conversation", "transcript"),
    "turns": ("messages", "conversations", "conversation"),
    "clause": ("original_text", "provision"),
    "plain": ("reference_summary", "plain_english", "simplified", "plain_text"),
    "note": ("report", "transcription"),
    "message": ("question", "query", "text", "post"),
    "reply": ("response", "answer", "output"),
    "prompt": ("instruction", "question"),
    "completion": ("response", "answer"),
    "question": ("query",),
    "translation": ("target",),
    "title": ("headline",),
}
# Inputs that a column of the right kind may fill whatever its name.
_ANY_NAME = frozenset({"text", "message", "reply", "label", "turns", "transcript"})
# Names that tell nothing of the subject.
_COMMON_NAMES = (_ANY_NAME - {"transcript"}) | {
    "summary",
    "question",
    "answer",
    "title",
    "prompt",
    "completion",
    "instruction",
    "input",
    "output",
    "context",
}
_GENERAL = frozenset({"general", "preference"})
_YES_NO = {"0": "negative", "1": "positive", "false": "negative", "true": "positive", "no": "negative", "yes": "positive"}
_OPINION_NAMES = ("liked", "sentiment", "positive", "polarity", "recommend", "opinion")
# A rarer value is more often a slip of the pen than a class; where there are many classes, one that is much rarer than most are.
_MIN_LABEL_SHARE = 0.01
_MIN_EVEN_SHARE = 0.2
_WORD = re.compile(r"[a-z]{4,}")
# What many templates and columns speak of, whatever their subject.
_NO_SUBJECT = frozenset(
    {"text", "answer", "turn", "summary", "label", "question", "message", "reply", "title", "section", "input", "output"}
)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A template that fits.

    Attributes:
        template: the template.
        fields: input -> column.
        labels: raw value -> verbalizer key, where they differ.
        score: the higher, the better it fits.
    """

    template: Template
    fields: dict[str, str]
    labels: dict[str, str]
    score: float


def common_values(column: Column) -> list[str]:
    """Returns a label's values that are no slip of the pen, sorted."""
    even_share = len(column.values) / column.num_distinct
    fewest = min(_MIN_LABEL_SHARE * len(column.values), _MIN_EVEN_SHARE * even_share)
    return sorted(value for value, count in column.counts.items() if count >= fewest)


def proposals(columns: Sequence[Column], language: str, subject: str) -> list[Proposal]:
    """Returns the templates that fit, the best first.

    Args:
        columns: the columns that may be used.
        language: the language of the texts.
        subject: words that say what the data is about: the file's name, its folder, the columns.
    """
    subjects = _subject_words(subject)
    texts = [column for column in columns if column.is_text or column.is_turns]
    domains = {name.partition("/")[0] for name in template_names()}
    fitting = {domain for domain in domains if is_about(domain, subject, texts)}  # elsewhere a template's own words would be wrong
    names = (name for name in template_names() if name.partition("/")[0] in fitting)
    found = (_fit(library_template(name), columns, language, subjects) for name in names)
    return sorted((one for one in found if one is not None), key=lambda one: (-one.score, one.template.name))


def _fit(template: Template, columns: Sequence[Column], language: str, subjects: set[str]) -> Proposal | None:
    fields: dict[str, str] = {}
    score = 0.0
    is_distinct = False  # an input whose name says what it is about has a column of its own
    for name in template.header.inputs:
        free = [column for column in columns if column.name not in fields.values()]
        column, points = _best_column(template, name, free)
        if column is None:
            if name in template.required_fields:
                return None
            score -= 0.5
            continue
        fields[name] = column.name
        score += points
        is_distinct = is_distinct or (points > 1 and name not in _COMMON_NAMES)
    domain = template.name.partition("/")[0]
    if domain not in _GENERAL:
        is_named = bool(subjects & _subject_words(f"{domain} {template.header.task}"))
        if not (is_named or is_distinct):
            return None
        score += 2 * is_named
    code = template.header.language
    score -= 1.5 * (language not in {UNKNOWN, code})
    return Proposal(template, fields, _label_map(template, columns, fields), score + _manner(template, columns, fields))


def _manner(template: Template, columns: Sequence[Column], fields: Mapping[str, str]) -> float:
    """Returns points for what a template makes of the data: all of it, as a chat, in the plain manner rather than a special one."""
    used = set(fields.values())
    points = 0.5 * (Form.CHAT in template.forms) + 0.5 * bool(template.header.verbalizer)
    points -= bool(template.shots) + ("cloze" in template.tags) + 0.5 * template.name.endswith("judge")
    made_of = {column.made_of for column in columns if column.name in used}
    unused = [column for column in columns if column.name not in used | made_of and column.made_of not in used]
    points -= 2 * any(column.is_turns for column in unused if not any(one.is_turns for one in columns if one.name in used))
    points -= any(is_answer(column) for column in unused)
    return points - 0.5 * any(column.is_label for column in unused)


def is_answer(column: Column) -> bool:
    """Whether a column holds what a model is to write, by its name and its length."""
    return column.is_text and column.mean_words > 3 and bool(named([column], ANSWER_NAMES))


def _best_column(template: Template, name: str, free: Sequence[Column]) -> tuple[Column | None, float]:
    """Returns the column that fits an input best, and points: 3 for its name, 2 for one that means the same, 1 for its kind alone."""
    kind = template.header.inputs[name]
    is_required = name in template.required_fields
    right = [column for column in free if _is_of_kind(template, name, kind, column) and (column.is_filled or not is_required)]
    by_name = {_plain(column.name): column for column in right}
    if name in by_name:
        return by_name[name], 3
    meant = [by_name[synonym] for synonym in _SYNONYMS.get(name, ()) if synonym in by_name]
    partly = [column for plain, column in by_name.items() if f"_{name}_" in f"_{plain}_"]
    if meant or len(partly) == 1:
        return (meant or partly)[0], 2
    if name not in _ANY_NAME or not is_required:
        return None, 0
    if kind == "str" and name not in {template.label_field, "label"}:
        is_shown = name in template.input_fields
        right = [column for column in right if is_answer(column) != is_shown and column.mean_words > 1]
        right.sort(key=lambda column: -column.mean_words)
    return (right[0], 1) if right else (None, 0)


def _is_of_kind(template: Template, name: str, kind: str, column: Column) -> bool:
    if kind == "turns":
        return column.is_turns
    if kind in {"list", "dict", "json"}:
        return column.is_json
    if kind == "bool":
        return {value.lower() for value in column.counts} <= {"true", "false", "0", "1", "yes", "no"}
    if name in {template.label_field, "label"}:
        return column.is_label and (not template.words or _key_of_values(template, column) is not None)
    return column.is_text and (column.is_transcript or name != "transcript")


def _key_of_values(template: Template, column: Column) -> dict[str, str] | None:
    """Returns raw value -> key of the verbalizer for all of a label's common values, None where one has no key."""
    keys = {key.lower(): key for key in template.words}
    values = common_values(column)
    found = {value: keys[value.strip().lower()] for value in values if value.strip().lower() in keys}
    if len(found) == len(values):
        return found
    is_opinion = any(name in column.name.lower() for name in _OPINION_NAMES)
    found = {value: _YES_NO[value.strip().lower()] for value in values if is_opinion and value.strip().lower() in _YES_NO}
    return found if len(found) == len(values) and set(found.values()) <= set(template.words) else None


def _label_map(template: Template, columns: Sequence[Column], fields: Mapping[str, str]) -> dict[str, str]:
    label = template.label_field
    if label is None or label not in fields:
        return {}
    column = next(one for one in columns if one.name == fields[label])
    return {value: key for value, key in (_key_of_values(template, column) or {}).items() if value != key}


def _plain(name: str) -> str:
    """Returns a column's name as inputs are written: `sectionText` as `section_text`."""
    parts = [name[:1]] + [f"_{two}" if one.islower() and two.isupper() else two for one, two in pairwise(name)]
    return re.sub(r"[^0-9a-z]+", "_", "".join(parts).lower()).strip("_")


def _subject_words(text: str) -> set[str]:
    return {word.rstrip("s") for word in _WORD.findall(text.lower())} - _NO_SUBJECT
