"""The forms of an example: what a template can give, a dataset can hold and an objective can train."""

from collections.abc import Callable
from enum import StrEnum


class Form(StrEnum):
    """A form of an example. One example may have several: a chat and a prompt of the same row.

    Attributes:
        column: the column of `EXAMPLE_SCHEMA` without which an example lacks the form.
        tags: the tags of a template that give it; of `unpaired` the key of its front matter.
        continued_by: the forms that take this one's column over where an example has one of them, too: the messages of a preference pair
            are what its two answers follow, and those of an answer that is judged by itself may end on one that nobody wants. Neither is a
            chat to train on.
    """

    CHAT = "chat", "messages", ("message",), ("preference", "unpaired")
    VERBALIZER = "verbalizer", "prompt", ("prompt", "cloze")
    COMPLETION = "completion", "text", ("text",)
    PREFERENCE = "preference", "chosen", ("chosen",)
    UNPAIRED = "unpaired", "wanted", ("wanted",)

    column: str
    tags: tuple[str, ...]
    continued_by: tuple[str, ...]

    def __new__(cls, name: str, column: str = "", tags: tuple[str, ...] = (), continued_by: tuple[str, ...] = ()) -> "Form":
        """Makes a form out of its line in the table."""
        form = str.__new__(cls, name)
        form._value_ = name
        form.column = column
        form.tags = tags
        form.continued_by = continued_by
        return form


JUDGED = (Form.PREFERENCE, Form.UNPAIRED)
"""The forms of answers that people judge. Two of one prompt are no conflict, and what one says is not held to be right."""


def forms_where(has_column: Callable[[Form], bool]) -> list[Form]:
    """Returns the forms of something in the order of `Form`, by whether it has what gives each of them."""
    given = [form for form in Form if has_column(form)]
    return [form for form in given if not set(form.continued_by) & set(given)]
