"""What promptsource's templates write otherwise than ours: changes in place, and chance."""

from templates.promptsource.refusal import Refusal
from templates.promptsource.segments import Tokens

# Methods that change their object. Our sandbox has none; its functions of the same names count what they do.
_METHODS = ("append", "pop", "update")


def in_our_words(tokens: Tokens) -> Tokens:
    """Returns an expression with `list.append(x)` as `append(list, x)`, and `random` as `choice`, which the row's id decides.

    Raises:
        Refusal: something other than a name or its attribute is changed.
    """
    rewritten: list[tuple[str, str]] = []
    for index, (kind, text) in enumerate(tokens):
        following = tokens[index + 1][1] if index + 1 < len(tokens) else ""
        if kind == "name" and text in _METHODS and following == "(" and rewritten and rewritten[-1][1] == ".":
            start = _receiver(rewritten)
            receiver = rewritten[start:-1]
            rewritten[start:] = [("name", text), ("operator", "("), *receiver]
            if not _closes_at_once(tokens, index + 2):
                rewritten.append(("operator", ", "))
        elif kind == "operator" and text == "(" and index and tokens[index - 1] in {("name", name) for name in _METHODS}:
            continue  # written already, before the receiver
        elif kind == "name" and text == "random" and _last(rewritten) == "|":
            rewritten.append(("name", "choice"))
        else:
            rewritten.append((kind, text))
    return tuple(rewritten)


def _receiver(tokens: list[tuple[str, str]]) -> int:
    """Returns where `name.attribute.` begins, which the tokens end on."""
    start = len(tokens) - 1
    while start > 0 and tokens[start][1] == "." and tokens[start - 1][0] == "name":
        start -= 2
        if start < 0 or tokens[start][1] != ".":
            return start + 1
    raise Refusal("it changes something in place that has no name")


def _closes_at_once(tokens: Tokens, start: int) -> bool:
    return next((text for _, text in tokens[start:] if text.strip()), "") == ")"


def _last(tokens: list[tuple[str, str]]) -> str:
    return next((text for _, text in reversed(tokens) if text.strip()), "")
