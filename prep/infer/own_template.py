"""A template of the data's own, where none of the library says what the columns are about: a label of a text, or what is written of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml

from prep.infer.columns import ANSWER_NAMES, LABEL_NAMES, Column, named
from prep.infer.templates import Proposal

_SURE_SCORE = 4.0  # more than a text of the right name gives: the columns are those of a template that sorts nothing
_MAX_LISTED = 30  # labels that the system message lists; very many would be most of each prompt
# Names that say by themselves that a column sorts texts; `type` and `target` may be a code beside what is to be written.
_SURE_LABELS = tuple(name for name in LABEL_NAMES if name not in {"target", "type"})
_TITLES = ("title", "subject", "headline", "name", "heading", "topic")
_ANSWERS = tuple(name for name in ANSWER_NAMES if name not in _TITLES)
_EXACT_WORDS = 3
_SUMMARIES = ("summar", "abstract", "highlights")


@dataclass(frozen=True, slots=True)
class OwnTask:
    """A text, and what is to be said of it.

    Attributes:
        text: the column that the model reads: a text, or turns.
        answer: the column that it answers with.
        is_label: whether that is a label.
    """

    text: Column
    answer: Column
    is_label: bool


def own_task(columns: Sequence[Column], best: Proposal | None, group: str | None) -> OwnTask | None:
    """Returns the task that a template of the data's own serves better than the library's best; None where that is good.

    Args:
        columns: those that may be used.
        best: the library's best.
        group: the column whose rows stay together, which is no label.
    """
    labels = [column for column in columns if column.is_label and column.name != group]
    label = next(iter(named(labels, LABEL_NAMES)), labels[0] if labels else None)
    texts = sorted(
        (column for column in columns if (column.is_text or column.made_of) and column is not label and column.mean_words > 1),
        key=lambda column: (column.made_of is None, -column.mean_words),
    )
    if not texts:
        return None
    text = texts[0]
    written = _written(text, texts, label)
    if written is None and label is None and (best is None or len(best.fields) == 1):  # nothing but a text is known of it
        answer = _named_answer(text, columns)
        written = None if answer is None else OwnTask(text, answer, is_label=False)
    if written is not None:
        return None if best is not None and _serves(best, written) else written
    if label is None:
        return None
    if best is not None:
        inputs = [name for name, column in best.fields.items() if column == label.name]
        # Where the library knows the labels, or shows to the model what only looks like one, it is right.
        is_shown = bool(inputs) and inputs[0] in best.template.input_fields and not named([label], _SURE_LABELS)
        if inputs and (best.template.words or is_shown):
            return None
        if not inputs and best.score >= _SURE_SCORE:
            return None
    return OwnTask(text, label, is_label=True)


def _serves(best: Proposal, task: OwnTask) -> bool:
    """Whether a template of the library has the answer for its answer, and the text beside it."""
    used = set(best.fields.values())
    shown = {best.fields[name] for name in best.template.input_fields if name in best.fields}
    return task.answer.name in used - shown and not used.isdisjoint({task.text.name, task.text.made_of})


def _written(text: Column, texts: Sequence[Column], label: Column | None) -> OwnTask | None:
    """Returns the text that is to be written of another, where there is one rather than a label; the library knows most by their names.

    Of two texts the one whose name says so is the answer, else the later one, as tables are read.
    """
    free = [
        column
        for column in texts
        if column.is_free_text and column.is_filled and column.name != text.made_of and not named([column], _TITLES)
    ]
    answer = next(iter(named([column for column in free if column is not text], ANSWER_NAMES)), None)
    if text.made_of and answer is not None:
        return OwnTask(text, answer, is_label=False)
    if label is None or named([label], _SURE_LABELS) or len(free) < 2:
        return None
    if answer is not None or text.made_of:
        return OwnTask(text, answer or next(column for column in free if column is not text), is_label=False)
    first, second = sorted(free[:2], key=lambda column: column.place)
    return OwnTask(first, second, is_label=False)


def _named_answer(text: Column, columns: Sequence[Column]) -> Column | None:
    """Returns the column whose name says that it is the answer, of labels that are too many to choose from as well."""
    free = [column for column in columns if column.is_text and column.name not in {text.name, text.made_of} and column.is_filled]
    return next((column for column in named(free, [*_SURE_LABELS, *_ANSWERS]) if not column.is_about_row), None)


def label_template(name: str, task: OwnTask, values: Sequence[str]) -> str:
    """Returns a template that sorts texts by their labels.

    Args:
        name: the dataset's.
        task: the text and its label.
        values: the labels.
    """
    header = {
        "name": f"mine/{name}",
        "version": "1",
        "task": "sort texts by label",
        "inputs": _inputs(task) | {"label": "str"},
        "verbalizer": {value: value for value in values},
        "metrics": ["accuracy", "macro_f1"],
    }
    words = json.dumps(", ".join(values), ensure_ascii=False)[1:-1].replace("{", "(").replace("}", ")")
    asked = (
        f"Answer with one of: {words}." if len(values) <= _MAX_LISTED else "Sort the text by what it is about. Answer with its label alone."
    )
    return (
        _front(header) + f'{{% message "system" %}}{asked}{{% endmessage %}}\n' + _user(task) + "\n"
        '{% message "assistant" %}{{ label | verbalize }}{% endmessage %}\n'
        f"{{% prompt %}}\nText: {_shown(task)}\nLabel:\n{{% endprompt %}}\n"
        "{% target %} {{ label | verbalize }}{% endtarget %}\n"
    )


def answer_template(name: str, task: OwnTask) -> str:
    """Returns a template that writes one text of another.

    Args:
        name: the dataset's.
        task: the text and what is written of it.
    """
    header = {
        "name": f"mine/{name}",
        "version": "1",
        "task": "write a text of a text",
        "inputs": _inputs(task) | {"answer": "str"},
        "metrics": ["exact_match"] if task.answer.mean_words < _EXACT_WORDS else ["rouge1", "rougeL", "fact_recall"],
    }
    wanted = json.dumps(" ".join(task.answer.name.replace("_", " ").split()), ensure_ascii=False)[1:-1].replace("{", "(").replace("}", ")")
    source = "conversation" if task.text.made_of else "text"
    is_summary = any(part in task.answer.name.lower() for part in _SUMMARIES)
    asked = f"Sum up the {source}. Keep names and numbers." if is_summary else f"Write what belongs to the {source}: its {wanted}."
    return (
        _front(header) + f'{{% message "system" %}}{asked}{{% endmessage %}}\n' + _user(task) + "\n"
        '{% message "assistant" %}{{ answer | trim }}{% endmessage %}\n'
    )


def _inputs(task: OwnTask) -> dict[str, str]:
    return {"turns": "turns"} if task.text.made_of else {"text": "str"}


def _front(header: Mapping[str, object]) -> str:
    return f"---\n{yaml.safe_dump(dict(header), sort_keys=False, allow_unicode=True)}---\n"


def _user(task: OwnTask) -> str:
    return f'{{% message "user" %}}{_shown(task)}{{% endmessage %}}'


def _shown(task: OwnTask) -> str:
    if not task.text.made_of:
        return "{{ text | trim }}"
    return '{% for turn in turns %}{{ turn.speaker }}: {{ turn.text }}{% if not loop.last %}{{ "\\n" }}{% endif %}{% endfor %}'
