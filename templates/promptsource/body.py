"""The body of a template of promptsource as one of ours: prompt and target in tags, the choices of the answer in front."""

import json
import re
from dataclasses import dataclass, replace

from templates.promptsource.effects import check_order, effects, is_blank, name_drawings, trim, without_effects
from templates.promptsource.refusal import Refusal
from templates.promptsource.segments import (
    Assign,
    For,
    If,
    Output,
    Segment,
    Segments,
    Text,
    Tokens,
    all_tokens,
    names_read,
    source_of,
    write,
)

SEPARATOR = "|||"
# Stands for the separator among choices that a loop or a filter writes, so that no field that holds `|||` can forge one.
_INNER_SEPARATOR = "\u241e"
_CHOICE_OF_LABEL = re.compile(r"answer_choices\s*\[\s*([A-Za-z_]\w*)\s*\]")


@dataclass(frozen=True, slots=True)
class Choices:
    """The choices of an answer.

    Attributes:
        segments: what renders to them, separated by `|||`.
        words: the choices where they are the same for all rows.
    """

    segments: Segments
    words: tuple[str, ...] | None

    @classmethod
    def of(cls, segments: Segments) -> "Choices":
        """Takes the choices from their source."""
        if not all(isinstance(segment, Text) for segment in segments):
            return cls(segments, None)
        return cls(segments, tuple(word.strip() for word in write(segments).split(SEPARATOR)))

    def as_label(self, tokens: Tokens) -> str | None:
        """Returns the field that is the label, where an expression is the choice of that field and words can be its verbalizer."""
        found = _CHOICE_OF_LABEL.fullmatch(source_of(tokens))
        is_verbalizer = self.words is not None and all(self.words) and len(set(self.words)) == len(self.words)
        return found[1] if found and is_verbalizer else None

    def prelude(self) -> str:
        """Returns the Jinja that sets `answer_choices`."""
        if self.words is not None:
            return f"{{% set answer_choices = [{', '.join(json.dumps(word, ensure_ascii=False) for word in self.words)}] %}}\n"
        parts = _split_texts(self.segments)
        if all(SEPARATOR not in write(part) for part in parts):
            sets = "".join(f"{{% set choice_{number} %}}{write(part)}{{% endset %}}\n" for number, part in enumerate(parts, 1))
            listed = ", ".join(f"choice_{number} | trim" for number in range(1, len(parts) + 1))
            return f"{sets}{{% set answer_choices = [{listed}] %}}\n"
        whole = write(self.segments).replace(SEPARATOR, _INNER_SEPARATOR)
        return (
            f"{{% set all_choices %}}{whole}{{% endset %}}\n"
            f'{{% set answer_choices = all_choices.split("{_INNER_SEPARATOR}") | map("trim") | list %}}\n'
        )


@dataclass(frozen=True, slots=True)
class Body:
    """A converted body.

    Attributes:
        source: the Jinja of ours.
        label: the field that the verbalizer puts in words, if any.
    """

    source: str
    label: str | None


def convert_body(segments: Segments, choices: Choices | None) -> Body:
    """Converts a body.

    Raises:
        Refusal: it has no separator, or several, or one where prompt and target cannot be told apart.
    """
    writer = _Writer(choices, _names_set(segments))
    source = writer.build(name_drawings(segments))
    if writer.shows_choices:
        if choices is None:
            raise Refusal("it uses 'answer_choices' and has none")
        source = choices.prelude() + source
    return Body(source, writer.label)


@dataclass(slots=True)
class _Writer:
    choices: Choices | None
    names_set: set[str]
    label: str | None = None
    shows_choices: bool = False

    def build(self, segments: Segments) -> str:
        """Writes the segments, of which one holds the separator."""
        holders = [index for index, one in enumerate(segments) if SEPARATOR in write((one,))]
        if not holders:
            raise Refusal("it has no '|||', so that it has no answer")
        if len(holders) > 1 or (isinstance(segments[holders[0]], Text) and write(segments).count(SEPARATOR) > 1):
            raise Refusal("it has more than one '|||'")
        [index] = holders
        before, holder, after = segments[:index], segments[index], segments[index + 1 :]
        if isinstance(holder, Text):
            left, _, right = holder.text.partition(SEPARATOR)
            return self._pair((*before, Text(left)), (Text(right), *after))
        if not isinstance(holder, If):
            raise Refusal("the '|||' stands within a loop" if not isinstance(holder, Output) else "the '|||' stands within an expression")
        # Each branch is a template of its own; one without a separator gives no example.
        check_order(before)
        written = without_effects(before)
        branches = []
        for condition, body in holder.branches:
            self._note(condition or ())
            has_answer = SEPARATOR in write(body)
            branches.append((condition, (Text(self.build((*written, *body, *after))),) if has_answer else ()))
        hoisted = effects(before)
        self._note_all(hoisted)
        return _lines(hoisted) + _write_if(If(tuple(branches)))

    def _pair(self, left: Segments, right: Segments) -> str:
        check_order((*left, *right))
        hoisted = (*effects(left), *effects(right))
        self._note_all(hoisted)
        prompt, target = trim(without_effects(left)), trim(without_effects(right))
        if is_blank(target):
            raise Refusal("nothing stands after the '|||'")
        return _lines(hoisted) + self._tags(prompt, target, _join(left, right))

    def _tags(self, prompt: Segments, target: Segments, join: str) -> str:
        only = target[0] if len(target) == 1 else None
        if isinstance(only, If) and _may_be_empty(only):
            # Where no condition holds there is no answer: such a row gives no example.
            kept = [(condition, body) for condition, body in only.branches if not is_blank(body)]
            for condition, _ in kept:
                self._note(condition or ())
            branches = tuple((condition, (Text(self._tags(prompt, trim(body), join)),)) for condition, body in kept)
            return _write_if(If(branches))
        label = self.choices.as_label(only.tokens) if isinstance(only, Output) and self.choices is not None else None
        if label is not None and label not in self.names_set:
            self.label = label
            answer = f"{{{{ {label} | verbalize }}}}"
        else:
            self._note_all(target)
            answer = write(target)
        self._note_all(prompt)
        return f"{{% prompt %}}\n{write(prompt)}\n{{% endprompt %}}\n{{% target %}}{join}{answer}{{% endtarget %}}\n"

    def _note_all(self, segments: Segments) -> None:
        for tokens in all_tokens(segments):
            self._note(tokens)

    def _note(self, tokens: Tokens) -> None:
        self.shows_choices |= "answer_choices" in names_read(tokens)


def _may_be_empty(block: If) -> bool:
    """Whether a condition can leave nothing. A blank branch before others would become one where the others are asked."""
    blank = [is_blank(body) for _, body in block.branches]
    has_else = block.branches[-1][0] is None
    return (not has_else or blank[-1]) and not any(blank[:-1])


def _write_if(block: If) -> str:
    """Writes a block whose branches hold whole tags, each on lines of its own."""
    return write((replace(block, branches=tuple((condition, (Text("\n"), *body)) for condition, body in block.branches)),)) + "\n"


def _join(left: Segments, right: Segments) -> str:
    """Returns what stands between prompt and target: a line end where the separator stands on a line of its own, else a space."""
    return '{{ "\\n" }}' if "\n" in _space_at(left, end=True) + _space_at(right, end=False) else " "


def _space_at(segments: Segments, *, end: bool) -> str:
    space = ""
    for segment in reversed(segments) if end else segments:
        if not isinstance(segment, Text):
            break
        text: str = segment.text
        space += text[len(text.rstrip()) :] if end else text[: len(text) - len(text.lstrip())]
        if text.strip():
            break
    return space


def _split_texts(segments: Segments) -> list[Segments]:
    """Cuts segments at the separators in their own text."""
    parts: list[list[Segment]] = [[]]
    for segment in segments:
        pieces = segment.text.split(SEPARATOR) if isinstance(segment, Text) else None
        if pieces is None:
            parts[-1].append(segment)
            continue
        parts[-1].append(Text(pieces[0]))
        parts += [[Text(piece)] for piece in pieces[1:]]
    return [tuple(part) for part in parts]


def _lines(segments: Segments) -> str:
    """Writes effects, each on a line of its own; outside of all tags a line end is nothing."""
    return "".join(write((segment,)) + "\n" for segment in segments)


def _names_set(segments: Segments) -> set[str]:
    """Returns the names that a template gives values itself."""
    names: set[str] = set()
    for segment in segments:
        if isinstance(segment, Assign):
            names |= segment.targets
        elif isinstance(segment, For):
            names |= names_read(segment.targets) | _names_set(segment.body)
        elif isinstance(segment, If):
            names |= {name for _, body in segment.branches for name in _names_set(body)}
    return names
