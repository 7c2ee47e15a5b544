"""What a template does apart from what it writes, so that both its prompt and its target can be written after it.

promptsource renders a template as one text and cuts it at `|||`. Ours writes prompt and target apart, so that what is set in one and used
in the other has to stand before both.
"""

from templates.promptsource.refusal import Refusal
from templates.promptsource.segments import (
    Assign,
    Do,
    For,
    If,
    Output,
    Segment,
    Segments,
    Text,
    Tokens,
    changed_names,
    is_changing,
    is_drawing,
    names_read,
)


def name_drawings(segments: Segments) -> Segments:
    """Gives a name to what a loop or condition draws by chance, where that loop is going to be written twice: it must draw once."""
    named: list[Segment] = []
    for number, segment in enumerate(segments, 1):
        if isinstance(segment, For) and is_drawing(segment.items) and effects((segment,)):
            if ("name", "if") in segment.items:
                raise Refusal("a loop with a condition draws by chance")
            name = ("name", f"drawn_{number}")
            named += [Assign((name, ("operator", " = "), *segment.items)), For(segment.targets, (name,), segment.body)]
            continue
        if isinstance(segment, If) and effects((segment,)) and any(is_drawing(condition or ()) for condition, _ in segment.branches):
            raise Refusal("a condition draws by chance and sets something")
        named.append(segment)
    return tuple(named)


def effects(segments: Segments, *, in_loop: bool = False) -> Segments:
    """Returns what the segments do without what they write: what they set or change, and the loops and conditions around it."""
    found: list[Segment] = []
    for segment in segments:
        if isinstance(segment, Assign):
            found.append(segment)
        elif isinstance(segment, Output) and is_changing(segment.tokens):
            if not any(text == "|" for _, text in segment.tokens):
                raise Refusal("it writes what a change in place gives")
            found.append(Do(segment.tokens))
        elif isinstance(segment, For):
            body = effects(segment.body, in_loop=True)
            if any(_outlives(one) for one in body):
                found.append(For(segment.targets, segment.items, body))
        elif isinstance(segment, If):
            branches = tuple((condition, effects(body, in_loop=in_loop)) for condition, body in segment.branches)
            if any(body for _, body in branches):
                found.append(If(branches))
    return tuple(found)


def without_effects(segments: Segments, *, in_loop: bool = False) -> Segments:
    """Returns what the segments write, given that their effects stand before them. What a loop sets for itself stays in it."""
    found: list[Segment] = []
    for segment in segments:
        if isinstance(segment, Assign):
            if in_loop and not segment.is_attribute:
                found.append(segment)
        elif isinstance(segment, Output):
            if not is_changing(segment.tokens):
                found.append(segment)
        elif isinstance(segment, For):
            body = without_effects(segment.body, in_loop=True)
            if any(not isinstance(one, Assign) for one in body) and not _only_computes(segment):
                found.append(For(segment.targets, segment.items, body))
        elif isinstance(segment, If):
            branches = tuple((condition, without_effects(body, in_loop=in_loop)) for condition, body in segment.branches)
            if any(body for _, body in branches) and not _only_computes(segment):
                found.append(If(branches))
        else:
            found.append(segment)
    return tuple(found)


def _only_computes(segment: For | If) -> bool:
    """Whether a block is there for its effects: what it writes is the white space between them."""
    return is_blank((segment,)) and bool(effects((segment,)))


def check_order(segments: Segments) -> None:
    """Refuses a template that writes a name and changes it afterwards: written after all changes, it would say something else.

    Raises:
        Refusal: it is one.
    """
    read: set[str] = set()
    for segment in segments:
        changed = {name for one in _flat(effects((segment,))) for name in _changes(one)}
        written = without_effects((segment,))
        within = _reads(written)
        late = (changed & read) or (changed & within if isinstance(segment, For) else set())
        if late:
            raise Refusal(f"it writes '{min(late)}' and changes it afterwards")
        if isinstance(segment, If):
            for _, body in segment.branches:
                check_order(body)
        read |= within


def is_blank(segments: Segments) -> bool:
    """Whether the segments write white space alone, whatever the row."""
    for segment in segments:
        if (isinstance(segment, Output) and not is_changing(segment.tokens)) or (isinstance(segment, Text) and segment.text.strip()):
            return False
        if isinstance(segment, For) and not is_blank(segment.body):
            return False
        if isinstance(segment, If) and not all(is_blank(body) for _, body in segment.branches):
            return False
    return True


def trim(segments: Segments) -> Segments:
    """Removes the template's own white space at both ends; a field's stays."""
    return _trim_end(_trim_start(segments))


def _trim_start(segments: Segments) -> Segments:
    for index, segment in enumerate(segments):
        rest = segments[index + 1 :]
        if isinstance(segment, Output) or (isinstance(segment, For) and not is_blank((segment,))):
            return segments[index:]
        if isinstance(segment, Text) and segment.text.strip():
            return (Text(segment.text.lstrip()), *rest)
        if isinstance(segment, If) and not is_blank((segment,)):
            return (If(tuple((condition, _trim_start(body)) for condition, body in segment.branches)), *rest)
    return ()


def _trim_end(segments: Segments) -> Segments:
    for index in reversed(range(len(segments))):
        segment, before = segments[index], segments[:index]
        if isinstance(segment, Output) or (isinstance(segment, For) and not is_blank((segment,))):
            return segments[: index + 1]
        if isinstance(segment, Text) and segment.text.strip():
            return (*before, Text(segment.text.rstrip()))
        if isinstance(segment, If) and not is_blank((segment,)):
            return (*before, If(tuple((condition, _trim_end(body)) for condition, body in segment.branches)))
    return ()


def _outlives(segment: Segment) -> bool:
    """Whether an effect within a loop is still there after it."""
    if isinstance(segment, Do):
        return True
    if isinstance(segment, Assign):
        return segment.is_attribute
    if isinstance(segment, For):
        return any(map(_outlives, segment.body))
    return isinstance(segment, If) and any(_outlives(one) for _, body in segment.branches for one in body)


def _changes(segment: Assign | Do) -> set[str]:
    return changed_names(segment.tokens) if isinstance(segment, Do) else segment.targets


def _flat(segments: Segments) -> list[Assign | Do]:
    found: list[Assign | Do] = []
    for segment in segments:
        if isinstance(segment, Assign | Do):
            found.append(segment)
        elif isinstance(segment, For):
            # What a loop sets for itself is gone after it.
            found += [one for one in _flat(segment.body) if isinstance(one, Do) or one.is_attribute]
        elif isinstance(segment, If):
            found += [one for _, body in segment.branches for one in _flat(body)]
    return found


def _reads(segments: Segments) -> set[str]:
    names: set[str] = set()
    for segment in segments:
        if isinstance(segment, Output | Assign):
            names |= names_read(segment.tokens)
        elif isinstance(segment, For):
            names |= names_read(segment.items) | _reads(segment.body)
        elif isinstance(segment, If):
            names |= {name for condition, body in segment.branches for name in names_read(condition or _NOTHING) | _reads(body)}
    return names


_NOTHING: Tokens = ()
