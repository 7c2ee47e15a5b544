"""A commented template to start from, one for each form."""

from pathlib import Path

from loopwright.errors import UserError
from loopwright.files import write_atomic
from templates.template import parse_template

_HEADER = """---
name: {name}
task: {task}
description: {description}
language: en
inputs: {{{inputs}}}{more}
example:   # tested by `prep templates check`: what these fields render to
  fields: {{{fields}}}
  renders:
{renders}
---
"""
_LABEL = """
verbalizer:   # label key -> the word that the model says; several words: [good, great], the first is trained
  negative: negative
  positive: positive
metrics: [accuracy, macro_f1]"""
_ANSWER = """
metrics: [rouge1, rougeL]
# keep: [code, dose]   # kinds of fact that the answer must keep
# optional: [question]   # inputs that a row may lack"""

# Form -> (the header's own lines, body). What is in the header is what the body renders.
STARTERS: dict[str, tuple[dict[str, str], str]] = {
    "chat": (
        {
            "task": "answer to a question",
            "description": "Answers a question in a few words.",
            "inputs": "question: str, answer: str",
            "more": _ANSWER,
            "fields": 'question: "When do you open?", answer: "At nine."',
            "renders": """    messages:
      - {role: system, content: "You answer questions about a shop in one sentence."}
      - {role: user, content: "When do you open?"}
      - {role: assistant, content: "At nine."}""",
        },
        """{# One newline after an opening tag and one before a closing tag are dropped; all else is part of the message. #}
{% message "system" %}You answer questions about a shop in one sentence.{% endmessage %}
{% message "user" %}{{ question | trim }}{% endmessage %}
{# What the assistant says is trained. #}
{% message "assistant" %}{{ answer | trim }}{% endmessage %}
""",
    ),
    "verbalizer": (
        {
            "task": "sentiment of a text",
            "description": "Says in one word whether a text is negative or positive.",
            "inputs": "text: str, label: str",
            "more": _LABEL,
            "fields": 'text: "The soup was cold.", label: negative',
            "renders": """    prompt: "Text: The soup was cold.\\nNegative or positive:"
    target: " negative\"""",
        },
        """{# The prompt ends on a character, and the target begins with the space: so the space is part of the word's first token. #}
{% prompt %}
Text: {{ text | trim }}
Negative or positive:
{% endprompt %}
{% target %} {{ label | verbalize }}{% endtarget %}
""",
    ),
    "cloze": (
        {
            "task": "sentiment of a text",
            "description": "Puts the word for a text's sentiment in the place of a mask.",
            "inputs": "text: str, label: str",
            "more": _LABEL.replace("negative: negative", "negative: bad").replace("positive: positive", "positive: good"),
            "fields": 'text: "The soup was cold.", label: negative',
            "renders": """    prompt: "The soup was cold. All in all it was [MASK]."
    mask: "[MASK]"
    target: bad""",
        },
        """{# `mask` stands once, where the word belongs; another text for it: `mask: "___"` above. #}
{% cloze %}{{ text | trim }} All in all it was {{ mask }}.{% endcloze %}
{% target %}{{ label | verbalize }}{% endtarget %}
""",
    ),
    "text": (
        {
            "task": "raw text of a domain",
            "description": "Text under its title, for learning a domain's knowledge or style.",
            "inputs": "title: str, text: str",
            "more": "",
            "fields": 'title: "Egg whites", text: "Fold them in last."',
            "renders": '    text: "# Egg whites\\n\\nFold them in last."',
        },
        """{% text %}
# {{ title | trim }}

{{ text | trim }}
{% endtext %}
""",
    ),
    "preference": (
        {
            "task": "the better of two answers",
            "description": "A question with a better and a worse answer.",
            "inputs": "question: str, chosen: str, rejected: str",
            "more": "",
            "fields": 'question: "When do you open?", chosen: "At nine.", rejected: "We open."',
            "renders": """    messages: [{role: user, content: "When do you open?"}]
    chosen: [{role: assistant, content: "At nine."}]
    rejected: [{role: assistant, content: "We open."}]""",
        },
        """{# The messages are what both answers follow. #}
{% message "user" %}{{ question | trim }}{% endmessage %}
{% chosen %}{{ chosen | trim }}{% endchosen %}
{% rejected %}{{ rejected | trim }}{% endrejected %}
""",
    ),
    "unpaired": (
        {
            "task": "answers that people want or do not want",
            "description": "A question with one answer, and whether it is wanted.",
            "inputs": "question: str, answer: str, label: bool",
            "more": "\nwanted: label   # the input that says whether people want the answer that ends the chat",
            "fields": 'question: "When do you open?", answer: "At nine.", label: true',
            "renders": """    messages: [{role: user, content: "When do you open?"}, {role: assistant, content: "At nine."}]
    wanted: true""",
        },
        """{# The answer that ends the chat is judged by the input that `wanted` names. #}
{% message "user" %}{{ question | trim }}{% endmessage %}
{% message "assistant" %}{{ answer | trim }}{% endmessage %}
""",
    ),
}


def write_starter(name: str, form: str, out: Path) -> Path:
    """Writes a commented template of a form, which passes `prep templates check`.

    Args:
        name: `domain/name`.
        form: a key of `STARTERS`.
        out: the folder that it goes to, as `domain/name.jinja`.

    Returns:
        The file.

    Raises:
        UserError: the name or the form is none, or the file is there already.
    """
    if form not in STARTERS:
        raise UserError(f"there is no form '{form}'", "--form", f"Forms: {', '.join(STARTERS)}.")
    parts, body = STARTERS[form]
    source = _HEADER.format(name=name, **parts) + body
    path = out / f"{name}.jinja"
    parse_template(source, str(path))  # refuses a name that could not be one, and with it a path out of the folder
    if path.exists():
        raise UserError("the file is there already", str(path), "Choose another name.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder: {error.strerror}", str(path.parent), "Choose another --out.") from error
    write_atomic(path, source)
    return path
