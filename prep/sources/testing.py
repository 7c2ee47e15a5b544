"""What every shape of records has to keep, for the tests of whoever writes one: plain assertions, for any test runner."""

import json
from typing import Any

from prep.sources.shapes.base import RecordShape
from prep.sources.shapes.sample import SampleShape
from prep.sources.source import to_text
from prep.sources.strict_json import Keys


def check_record_shape(shape: type[RecordShape], record: dict[str, Any], fields: dict[str, Any]) -> None:
    """Makes sure that a shape keeps all that a build asks of one: it is documented, known by its record and by no empty one, and gives it
    the fields that it says it makes.

    Args:
        shape: its class.
        record: one of this shape, as JSON has it.
        fields: what it adds to that; what is JSON is given as what it stands for.

    Raises:
        AssertionError: it does not; the message says in what.
    """
    who = f"the shape '{shape.name}'"
    assert (shape.__doc__ or "").strip(), f"{who} has no docstring, which is its documentation"
    made = shape()
    columns = {name: to_text(value) for name, value in record.items()}
    assert made.fits(columns) > 0, f"{who} does not know a record with the keys {', '.join(record)}"
    assert made.fits({}) == 0, f"{who} takes a record without a key for one of its own"
    found = made.fields(Keys({name: columns.get(name) for name in made.reads}))
    others = sorted(found.keys() - set(made.makes))
    assert not others, f"{who} makes '{others[0]}', and does not say so in 'makes'" if others else ""
    for name, value in fields.items():
        got = found.get(name)
        assert value in (got, _parsed(got)), f"{who} makes {name} {got!r}, and not {value!r}"


def check_sample_shape(shape: type[SampleShape], record: dict[str, Any], *, answer: str | None) -> None:
    """Makes sure that a shape keeps all that lint asks of one: its keys tell a record, which is read without a problem.

    Args:
        shape: its class.
        record: one of this shape, as JSON has it.
        answer: what the record teaches.

    Raises:
        AssertionError: it does not; the message says in what.
    """
    who = f"the shape '{shape.name}'"
    made = shape()
    keys = next((one for one in made.keys if record.keys() >= set(one)), None)
    assert keys is not None, f"{who} does not know a record with the keys {', '.join(record)}"
    sample = made.sample(Keys(record), keys)
    assert not sample.problems, f"{who} finds fault with it: {sample.problems[0].message}" if sample.problems else ""
    assert sample.answer == answer, f"{who} reads the answer {sample.answer!r}, and not {answer!r}"


def _parsed(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value
