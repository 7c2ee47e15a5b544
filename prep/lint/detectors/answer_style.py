"""How answers of one task write the same thing: whether they end in a full stop, and how they write a number with its unit."""

import re

import polars as pl

_NUMBER = r"\d(?:[\d.,]*\d)?"
_LETTERS = (
    r"mg|g|kg|kgs|ml|mL|km|cm|mm|h|hrs?|mins?|(?i:milligrams?|grams?|kilograms?|kilos?|millilit(?:er|re)s?|kilomet(?:er|re)s?"
    r"|centimet(?:er|re)s?|millimet(?:er|re)s?|percent|per cent|usd|dollars?|eur|euros?|gbp|hours?|minutes?)"
)
_SPACE = r"[ \x{a0}\x{202f}]?"
# The hyphen of "a 5-mg tablet" is grammar, and no habit.
QUANTITY = rf"[$€£]{_SPACE}{_NUMBER}|\b(?:USD|EUR|GBP){_SPACE}{_NUMBER}|\b{_NUMBER}{_SPACE}(?:(?:{_LETTERS})\b|[%$€£]|°{_SPACE}[CF]\b)"
_QUANTITY = re.compile(QUANTITY.replace(r"\x{a0}\x{202f}", "\u00a0\u202f"))
_OF_UNIT = {
    "mg": "mg milligram",
    "g": "g gram",
    "kg": "kg kgs kilogram kilo",
    "ml": "ml milliliter millilitre",
    "km": "km kilometer kilometre",
    "cm": "cm centimeter centimetre",
    "mm": "mm millimeter millimetre",
    "%": "% percent",
    "$": "$ usd dollar",
    "€": "€ eur euro",
    "£": "£ gbp",
    "°C": "°c",
    "°F": "°f",
    "hours": "h hr hrs hour",
    "minutes": "min mins minute",
}
_UNITS = {name: unit for unit, names in _OF_UNIT.items() for name in names.split()}

_STOP = r"[.\x{3002}\x{0964}][\"'\x{201d}\x{2019})\]\x{300d}]*$"
_NO_STOP = r"[\p{L}\p{N}%)]$"
_ABBREVIATED = r"(?i)(?:\b(?:inc|ltd|co|corp|etc|jr|sr|vs|no|st|al|approx|dept|est|\p{L})|\b\p{L}\.\p{L})\.$"
_NO_SENTENCE = r"\n|://\S+$|@\S+$|#\w+$"


def end_of(answer: pl.Expr) -> pl.Expr:
    """Returns how an answer of one line ends: in "a full stop" or "no punctuation"; null where that says nothing of a habit."""
    end = answer.str.strip_chars_end()
    return (
        pl.when(end.str.contains(_NO_SENTENCE) | end.str.contains(_ABBREVIATED))
        .then(None)
        .when(end.str.contains(_STOP))
        .then(pl.lit("a full stop"))
        .when(end.str.contains(_NO_STOP))
        .then(pl.lit("no punctuation"))
    )


def with_other_end(answer: str) -> str | None:
    """Returns an answer without its full stop, or with one; None where its script has another."""
    text = answer.rstrip()
    if text.endswith((".", "\u3002")):
        return text[:-1].rstrip()
    if re.search(r"[\u3040-\u30ff\u4e00-\u9fff]$", text):
        return text + "\u3002"
    return text + "." if re.search(r"[A-Za-z0-9\u00c0-\u024f\u0370-\u052f%)]$", text) else None


def quantities(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Returns one row a number with a unit in `answer`: the columns of the rows, `said`, its `unit`, and its `form`, as in "5 mg"."""
    said = pl.col("said")
    form = said.str.replace_all(_NUMBER, "5").str.replace_all("[\\x{a0}\\x{202f}]", " ").str.to_lowercase()
    form = form.str.replace(r"([a-z]{3,})s$", "${1}")
    return (
        rows.with_columns(said=pl.col("answer").str.extract_all(QUANTITY))
        .explode("said", empty_as_null=False, keep_nulls=False)
        .with_columns(form=form)
        .with_columns(unit=pl.col("form").str.replace_all(r"[5\s]", "").replace_strict(_UNITS, default=None, return_dtype=pl.String))
        .filter(pl.col("unit").is_not_null())
    )


def written_as(said: str, other: str) -> str | None:
    """Returns a number with its unit in the form that another text writes that unit in; None where it does not, or in several."""
    unit = _unit(said)
    forms = {re.sub(_NUMBER, "\0", match[0]) for match in _QUANTITY.finditer(other) if unit is not None and _unit(match[0]) == unit}
    number = re.search(_NUMBER, said)
    return forms.pop().replace("\0", number[0]) if len(forms) == 1 and number else None


def _unit(said: str) -> str | None:
    name = re.sub(rf"{_NUMBER}|\s", "", said).lower()
    return _UNITS.get(name, _UNITS.get(name.removesuffix("s")))
