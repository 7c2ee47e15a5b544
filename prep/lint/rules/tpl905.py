"""TPL905 UnrenderedText."""

import re
from collections.abc import Iterable

import polars as pl

from prep.lint.context import Context
from prep.lint.rule import Finding, Rule, Severity
from prep.lint.texts import TEXT_COLUMNS, span_finding, texts

_PLACEHOLDER = re.compile(
    "|".join(
        (
            r"(?:^|[^$])\{\{\s*[A-Za-z_][A-Za-z0-9_.]{0,60}(?:\s*\|[^{}\n]{0,60})?\s*\}\}",
            r"\{%[^%{}\n]{1,80}%\}",
            r"<%=?[^%<>\n]{1,80}%>",
            r"\$\{[A-Za-z_][A-Za-z0-9_.]{0,60}\}",
            r"\[object Object\]",
        )
    )
)
_EMPTY_VALUE = r"(?:None|nan|NaN|null|undefined|<NA>|NaT)"
# "Allergies: None" is what people write; the other words come from programs alone.
_AFTER_NAME = re.compile(r"(?m)^[A-Z][A-Za-z ]{0,30}: ?(?:nan|NaN|null|undefined|<NA>|NaT)$")
# Bounded repetition makes a large automaton: the sieve over whole columns does without, and the rows that pass are looked at exactly.
_SIEVE = rf"\{{\{{|\{{%|<%|\$\{{|\[object Object\]|: ?{_EMPTY_VALUE}|^\s*{_EMPTY_VALUE}\s*$"
_WHOLE = re.compile(rf"^\s*{_EMPTY_VALUE}\s*$")
# Text about templates, formulas and code hold braces on purpose.
_ABOUT_TEMPLATES = re.compile(
    r"(?i)```|\bjinja|\bhandlebars\b|\bmustache\b|\bliquid\b|\bdjango\b|\bvue\b|\bangular|\blatex\b|\\(?:frac|begin|mathbb|text)\b"
    r"|\bjavascript\b|\bbash\b|\bshell\b|\bpython\b"
)


class UnrenderedText(Rule):
    """A template placeholder that was never filled in, or an empty value that was printed as a word.

    ## What it does
    Finds placeholders (`{{ name }}`, `{% if %}`, `<%= x %>`, `${name}`, `[object Object]`), and `None`, `nan`, `null` or `undefined`
    where it is the whole text (all but `None` also after a field's name), except in rows that speak of templates or hold code. As a
    whole answer such a word counts only where the task's answers do not come from a fixed set, in which "None" is a word like others.

    ## Why is this bad
    The model learns to greet `{{ customer_name }}`, and learns nothing from a field that says `nan`.

    ## Example
    `Dear {{ customer_name }}, your reservation is confirmed.`

    ## Fix safety
    Never fixed automatically: the value that belongs there is not known.
    """

    code = "TPL905"
    severity = Severity.WARNING
    columns = (*TEXT_COLUMNS, "closed")
    remedy = "Fill in the value where the text was made, or remove the row."

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return texts(examples).filter(pl.col("text").str.contains(_SIEVE))

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        for row in found.iter_rows(named=True):
            match = None if row["closed"] and row["part"] == "answer" else _WHOLE.search(row["text"])
            about_templates = any(_ABOUT_TEMPLATES.search(row[part] or "") for part in ("system", "input", "answer"))
            if match is None and not about_templates:
                match = _PLACEHOLDER.search(row["text"]) or _AFTER_NAME.search(row["text"])
            if match is None:
                continue
            shown = match[0][match[0].find("{{") :].strip() if "{{" in match[0] else match[0].strip()
            what = "an empty value was printed" if re.search(_EMPTY_VALUE + "$", shown) else "a placeholder was not filled in"
            yield span_finding(row, match.end() - len(shown), match.end(), f"{what}: '{shown[:60]}'")
