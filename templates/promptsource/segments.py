"""A Jinja source as a tree of segments that can be taken apart and written again, byte for byte in what it renders."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TypeAlias

from jinja2 import Environment, TemplateSyntaxError

from templates.promptsource.refusal import Refusal

Tokens: TypeAlias = tuple[tuple[str, str], ...]
"""(type, text) of each token of an expression, white space included."""

_NAME = re.compile(r"[A-Za-z_]\w*")
_CHANGING = ("append", "pop", "update")
_DRAWING = ("choice", "random")


@dataclass(frozen=True, slots=True)
class Text:
    """Literal text."""

    text: str


@dataclass(frozen=True, slots=True)
class Output:
    """`{{ expression }}`."""

    tokens: Tokens


@dataclass(frozen=True, slots=True)
class Assign:
    """`{% set target = expression %}`; `tokens` has all of it after `set`."""

    tokens: Tokens

    @property
    def targets(self) -> set[str]:
        """The names that are set; of an attribute, the name of its owner."""
        return names_read(self.tokens[: self._end_of_targets])

    @property
    def is_attribute(self) -> bool:
        """Whether an attribute is set, which outlives the loop that sets it."""
        return any(text == "." for _, text in self.tokens[: self._end_of_targets])

    @property
    def _end_of_targets(self) -> int:
        return next(index for index, (_, text) in enumerate(self.tokens) if text.strip() == "=")


@dataclass(frozen=True, slots=True)
class Do:
    """An expression that is evaluated for what it changes, and written nowhere."""

    tokens: Tokens


@dataclass(frozen=True, slots=True)
class If:
    """`{% if %}` with all its branches; a branch without a condition is `else`."""

    branches: tuple[tuple[Tokens | None, "Segments"], ...]


@dataclass(frozen=True, slots=True)
class For:
    """`{% for targets in items %}`."""

    targets: Tokens
    items: Tokens
    body: "Segments"


Segment: TypeAlias = Text | Output | Assign | Do | If | For
Segments: TypeAlias = tuple[Segment, ...]


@dataclass(slots=True)
class _Reader:
    tokens: list[tuple[str, str]]
    position: int = 0
    closing: list[str] = field(default_factory=list)

    def segments(self, *ends: str) -> tuple[Segments, str, Tokens]:
        """Reads until a statement that is one of `ends`; returns it with its own tokens."""
        found: list[Segment] = []
        while self.position < len(self.tokens):
            kind, text = self.tokens[self.position]
            self.position += 1
            if kind == "data":
                found.append(Text(text))
            elif kind == "variable_begin":
                found.append(Output(self._until("variable_end")))
            elif kind == "comment_begin":
                self._until("comment_end")
            elif kind == "block_begin":
                statement = self._until("block_end")
                word, rest = _first_word(statement)
                if word in ends:
                    return tuple(found), word, rest
                found.append(self._statement(word, rest))
            else:
                raise Refusal(f"it uses '{text.strip()}', which is not converted")
        if ends:
            raise Refusal(f"it has no '{ends[-1]}'")
        return tuple(found), "", ()

    def _statement(self, word: str, rest: Tokens) -> Segment:
        if word == "set" and any(text == "=" for _, text in rest):
            return Assign(rest)
        if word == "if":
            branches: list[tuple[Tokens | None, Segments]] = []
            condition: Tokens | None = rest
            while True:
                body, end, following = self.segments("elif", "else", "endif")
                branches.append((condition, body))
                if end == "endif":
                    return If(tuple(branches))
                condition = following if end == "elif" else None
        if word == "for":
            targets, items = _split_at(rest, "in")
            body, _, _ = self.segments("endfor")
            return For(targets, items, body)
        raise Refusal(f"it uses the tag '{word}', which is not converted")

    def _until(self, end: str) -> Tokens:
        start = self.position
        while self.tokens[self.position][0] != end:
            self.position += 1
        self.position += 1
        return tuple(self.tokens[start : self.position - 1])


def read(source: str, environment: Environment) -> Segments:
    """Takes a source apart. White space that `-` removes is removed already.

    Raises:
        Refusal: it does not parse, or uses a tag that is not known here.
    """
    try:
        environment.parse(source)
        tokens = [(kind, text) for _, kind, text in environment.lex(source)]
    except TemplateSyntaxError as error:
        raise Refusal(f"it does not parse: {error.message}") from error
    except RecursionError as error:
        raise Refusal("it is nested too deeply") from error
    return _Reader(tokens).segments()[0]


def write(segments: Segments) -> str:
    """Writes segments as Jinja."""
    return "".join(map(_write_one, segments))


def _write_one(segment: Segment) -> str:
    if isinstance(segment, Text):
        return segment.text
    if isinstance(segment, Output):
        return f"{{{{ {source_of(segment.tokens)} }}}}"
    if isinstance(segment, Assign):
        return f"{{% set {source_of(segment.tokens)} %}}"
    if isinstance(segment, Do):  # a condition is evaluated, and nothing is written
        return f"{{% if {source_of(segment.tokens)} %}}{{% endif %}}"
    if isinstance(segment, For):
        return f"{{% for {source_of(segment.targets)} in {source_of(segment.items)} %}}{write(segment.body)}{{% endfor %}}"
    words = ["if", *["elif"] * (len(segment.branches) - 1)]
    written = [
        f"{{% {word} {source_of(condition)} %}}{write(body)}" if condition is not None else f"{{% else %}}{write(body)}"
        for word, (condition, body) in zip(words, segment.branches, strict=True)
    ]
    return "".join(written) + "{% endif %}"


def source_of(tokens: Tokens) -> str:
    """Returns an expression's source."""
    return "".join(text for _, text in tokens).strip()


def names_read(tokens: Tokens) -> set[str]:
    """Returns the names that an expression uses; attributes are none."""
    names = set()
    before = ""
    for kind, text in tokens:
        if kind == "name" and before != "." and _NAME.fullmatch(text):
            names.add(text)
        before = text.strip() or before
    return names


def is_changing(tokens: Tokens) -> bool:
    """Whether an expression changes a list or dictionary in place."""
    return any(kind == "name" and text in _CHANGING and after == "(" for (kind, text), after in _with_next(tokens))


def changed_names(tokens: Tokens) -> set[str]:
    """Returns the names of what an expression changes in place: the first argument of each changing call."""
    plain = [token for token in tokens if token[1].strip()]
    return {
        plain[index + 2][1]
        for index, (kind, text) in enumerate(plain[:-2])
        if kind == "name" and text in _CHANGING and plain[index + 1][1] == "("
    }


def is_drawing(tokens: Tokens) -> bool:
    """Whether an expression picks something by chance."""
    return any(kind == "name" and text in _DRAWING and before == "|" for (kind, text), before in _with_previous(tokens))


def all_tokens(segments: Segments) -> Iterator[Tokens]:
    """Yields every expression of the segments, in order."""
    for segment in segments:
        if isinstance(segment, Output | Assign | Do):
            yield segment.tokens
        elif isinstance(segment, For):
            yield segment.items
            yield from all_tokens(segment.body)
        elif isinstance(segment, If):
            for condition, body in segment.branches:
                if condition is not None:
                    yield condition
                yield from all_tokens(body)


def map_tokens(segments: Segments, change: Callable[[Tokens], Tokens]) -> Segments:
    """Returns the segments with every expression changed."""
    return tuple(_map_one(segment, change) for segment in segments)


def _map_one(segment: Segment, change: Callable[[Tokens], Tokens]) -> Segment:
    if isinstance(segment, Output | Assign | Do):
        return replace(segment, tokens=change(segment.tokens))
    if isinstance(segment, For):
        return For(segment.targets, change(segment.items), map_tokens(segment.body, change))
    if isinstance(segment, If):
        return If(tuple((condition and change(condition), map_tokens(body, change)) for condition, body in segment.branches))
    return segment


def _first_word(tokens: Tokens) -> tuple[str, Tokens]:
    for index, (_, text) in enumerate(tokens):
        if text.strip():
            return text, tokens[index + 1 :]
    raise Refusal("it has an empty tag")


def _split_at(tokens: Tokens, word: str) -> tuple[Tokens, Tokens]:
    for index, token in enumerate(tokens):
        if token == ("name", word):
            return tokens[:index], tokens[index + 1 :]
    raise Refusal("it has a loop without 'in'")


def _with_next(tokens: Tokens) -> list[tuple[tuple[str, str], str]]:
    plain = [token for token in tokens if token[1].strip()]
    return [(token, following[1]) for token, following in pairwise([*plain, ("", "")])]


def _with_previous(tokens: Tokens) -> list[tuple[tuple[str, str], str]]:
    plain = [token for token in tokens if token[1].strip()]
    return [(token, previous[1]) for previous, token in pairwise([("", ""), *plain])]
