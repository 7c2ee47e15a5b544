"""TPL905 UnrenderedText."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from prep.lint.base.context import Context
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.lint.base.texts import TEXT_COLUMNS, span_finding, texts
from prep.lint.frame.tasks import ONE_TASK
from prep.pii.masking import shorten
from prep.text.prefilter import sieve

# Forms that no text has but one about templates.
_PLACEHOLDER = re.compile(
    "|".join(
        (
            r"(?:(?<=[^$])|^)\{ ?\{{1,2}[#/^>&]?[^{}\n]{1,80}\}{1,2} ?\}",
            r"\{%[^%{}\n]{1,80}%\}",
            r"<%=?[^%<>\n]{1,80}%>",
            r"[$#]\{[A-Za-z_][A-Za-z0-9_.]{0,60}\}",
            r"\[object Object\]",
            r"<<[A-Z][A-Z_ ]{1,40}>>",
            r"\*\|[A-Z][A-Z0-9_:]{1,30}\|\*",
            r"\{![A-Z]\w{1,30}(?:\.\w{1,30}){1,3}\}",
        )
    )
)
_SLOT = (
    "name|date|amount|number|address|phone|email|company|customer|client|patient|recipient|sender|user|username|agent|product|order|title"
    "|city|country|time|price|link|url|id|placeholder|text|value|insert|your|enter|first|last|full"
)
# How a program names a value: `name`, `order.id`, `row['text']`, with a format after it.
_NAMED = (
    r"[a-z]{2,20}(?:[_.][a-z0-9]{2,20}){0,3}(?:\[['\"]?[a-z_]{2,20}['\"]?\])?(?:![rsa])?(?::[^{}\s]{1,10})?"
    rf"|(?i:{_SLOT})(?:[ _.A-Z][A-Za-z]{{0,20}}){{0,3}}"
)
# Forms of program text that people hardly write: in any rows that are not about programs, few of them are values to be filled in.
_PROGRAM_LIKE = re.compile(
    "|".join(
        (
            rf"(?<![\w{{$\\^}}])\{{(?:[$@:]?(?:{_NAMED})|\ (?:[a-z]{{2,20}}(?:[_.][a-z0-9]{{2,20}}){{1,3}}|(?i:{_SLOT}))\ )\}}(?![\w}}])",
            r"(?:(?<=[A-Za-z,:.!?] )|(?<![^\n]))\{[0-9]\}(?=[\s,.:;!?]|$)",
            r"(?<![\w%])(?<!\d )%(?:\([A-Za-z_]{1,40}\)|[1-9]\$)[sd](?![\w%])",
            r"(?<!\w)%[A-Z][A-Z_]{2,29}%",
            r"<<[A-Za-z_]{2,30}>>|@@[A-Za-z_]{2,30}@@|\[%[A-Za-z_]{2,30}%\]",
            r"(?<!\w)__[A-Z][A-Z_]{1,30}__(?!\w)",
        )
    )
)
# Forms that a text may also have for another reason: where rows are of one task and few have it, it was to be filled in.
_SLOT_LIKE = re.compile(
    "|".join(
        (
            _PROGRAM_LIKE.pattern,
            r"(?<=[A-Za-z,:.!?] )\{\}(?=[\s,.:;!?]|$)",
            r"(?<![\w%])(?<!\d )%[sd](?![\w%])",
            r"\[[A-Z]{2,20}(?:[ _][A-Z]{2,20}){1,4}\](?!\()",
            rf"\[(?i:{_SLOT})(?:[ _'][A-Za-z]{{1,20}}){{0,4}}\](?!\()",
            r"<[A-Z]{4,20}(?:[ _][A-Z]{2,20}){1,4}>",
            rf"<(?i:{_SLOT})(?:[ _][A-Za-z]{{1,20}}){{0,4}}>",
            r"\[\[[A-Za-z_ ]{2,30}\]\]",
            rf"(?<![\w$])\$(?i:{_SLOT})(?:_[A-Za-z]{{1,20}}){{0,2}}\b(?![\w(])",
        )
    )
)
_EMPTY_VALUE = r"(?:None|nan|NaN|null|undefined|<NA>|NaT)"
# "Allergies: None" is what people write; the other words come from programs alone.
_AFTER_NAME = re.compile(r"(?m)^[A-Z][A-Za-z ]{0,30}: ?(?:nan|NaN|null|undefined|<NA>|NaT)$")
# Bounded repetition makes a large automaton: the sieve over whole columns does without, and the rows that pass are looked at exactly.
_SIEVE = sieve(
    rf"\{{ ?\{{|\{{%|<%|[$#]\{{|\[object Object\]|: ?{_EMPTY_VALUE}|^\s*{_EMPTY_VALUE}\s*$"
    r"|\{[A-Za-z_0-9 $@:!][^{}\n]*\}|\{\}|%\(|%[sd]\b|%[1-9]\$|%[A-Z_]+%|\*\|[A-Z]"
    r"|\[%?[A-Za-z][A-Za-z_ ']+\]|<[A-Za-z][A-Za-z_ ]+>|<<[A-Za-z_]+>>|\[\[|@@|__[A-Z]|\$[A-Za-z]"
)
_WHOLE = re.compile(rf"^\s*{_EMPTY_VALUE}\s*$")
# Text about templates, formulas and code hold braces on purpose; a caller who cracked a shell does not speak of templates.
_IS_CODE = re.compile(
    r"(?i)```|\bjinja|\bhandlebars\b|\bmustache template|\bdjango\b|\bangular(?:js)?\b|\blatex\b"
    r"|\\(?:frac|begin|mathbb|text|sum|left)\b|\bjavascript\b"
    r"|\bdef \w+\(|\bfunction\s?\w*\(|\bprintf\b|\breturn \w+;|\b(?:set|ring|ideal|subset|vector|kernel|sigma)\b.{0,40}\{"
)
_ABOUT_TEMPLATES = re.compile(
    _IS_CODE.pattern + r"|\bmustache\b|\bliquid\b|\bvue\b|\bbash\b|\bshell\b|\bpython\b|\btemplate\b|\bplaceholder|\bvariable\b"
)
_MAX_SHARE = 0.05
_MAX_PLACES = 20


class UnrenderedText(Rule):
    """An unfilled template placeholder, or an empty value printed as a word.

    ## What it does
    Finds placeholders (`{{ name }}`, `{% if %}`, `<%= x %>`, `${name}`, `[object Object]`), and `None`, `nan`, `null` or `undefined` as
    a whole text (all but `None` also after a field's name), except in rows about templates or with code. As a whole answer such a word
    counts only in tasks without a fixed answer set, where "None" may be a label. In rows of one task it also finds likely placeholders:
    `{name}`, `%s`, `[CUSTOMER NAME]`, `<NAME>`. A form that one in twenty rows has, such as the mask of an anonymised corpus, is not
    reported.

    ## Why is this bad
    The model learns to greet `{{ customer_name }}`, and learns nothing from a field with `nan`.

    ## Example
    `Dear {{ customer_name }}, your reservation is confirmed.`

    ## Fix safety
    Never fixed automatically: the missing value is unknown.
    """

    code = "TPL905"
    severity = Severity.WARNING
    columns = (*TEXT_COLUMNS, "is_closed_set", "task", "task_rows", "template")
    remedy = "Fill in the value where the text was generated, or drop the row."

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return texts(examples.with_columns(one_task=ONE_TASK)).filter(pl.col("text").str.contains(_SIEVE))

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        rows = [(row, places) for row in found.iter_rows(named=True) if (places := _placeholders(row))]
        # A mask of an anonymised corpus stands in many rows, a forgotten variable in few.
        masks = Counter(
            (row["task"], shown) for row, places in rows for shown in {shown for shown, _, may_be_mask in places if may_be_mask}
        )
        for row, places in rows:
            limit = max(_MAX_SHARE * row["task_rows"], 5)
            left = [(shown, end) for shown, end, may_be_mask in places if not may_be_mask or masks[row["task"], shown] <= limit]
            if left:
                shown, end = left[0]
                what = "empty value printed as text" if re.search(_EMPTY_VALUE + "$", shown) else "unfilled placeholder"
                yield span_finding(row, end - len(shown), end, f"{what}: '{shorten(row['text'], 60, span=(end - len(shown), end))}'")


def _placeholders(row: Mapping[str, Any]) -> list[tuple[str, int, bool]]:
    """Returns what was not filled in: as it stands, where it ends, and whether it may be a mask."""
    text = row["text"]
    empty = None if row["is_closed_set"] and row["part"] == "answer" else _WHOLE.search(text)
    about = _IS_CODE if row["one_task"] else _ABOUT_TEMPLATES
    if empty is not None or any(about.search(row[part] or "") for part in ("system", "input", "answer")):
        return [] if empty is None else [(empty[0].strip(), len(text.rstrip()), False)]
    sure = _PLACEHOLDER.search(text) or _AFTER_NAME.search(text)
    if sure is not None:
        return [(sure[0].strip(), sure.start() + len(sure[0].rstrip()), False)]
    likely = list((_SLOT_LIKE if row["one_task"] else _PROGRAM_LIKE).finditer(text))[:_MAX_PLACES]
    return [(match[0], match.end(), True) for match in likely]
