"""A place in a rendered text is found again in the field that it comes from, or not at all."""

import pytest

from prep.text.edits import replace_span


def replaced(fields: dict[str, str], text: str, said: str, new: str = "the") -> dict[str, str]:
    start = text.index(said)
    return replace_span(fields, text, (start, start + len(said)), new)


@pytest.mark.parametrize(
    ("fields", "text", "changed"),
    [
        ({"a": "He has the the bag."}, "He has the the bag.", {"a": "He has the bag."}),
        ({"a": "He has the the bag."}, "Answer: He has the the bag. Yes.", {"a": "He has the bag."}),
        # Told from another such place by what surrounds it.
        ({"a": "He has the the bag.", "b": "She has the the cup."}, "He has the the bag.", {"a": "He has the bag."}),
        # In JSON, whose escapes make the surroundings look otherwise.
        ({"a": '[{"text": "It\\nis the the\\nbag."}]'}, "It\nis the the\nbag.", {"a": '[{"text": "It\\nis the\\nbag."}]'}),
        # In two fields alike, in none, and within another word.
        ({"a": "has the the bag", "b": "has the the bag"}, "has the the bag", {}),
        ({"a": "has a bag"}, "has the the bag", {}),
        ({"a": "bathe the dog"}, "the the", {}),
    ],
)
def test_replace_span(fields: dict[str, str], text: str, changed: dict[str, str]) -> None:
    assert replaced(fields, text, "the the") == changed
