"""PII502 PersonName."""

from collections.abc import Iterable

import polars as pl

from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.texts import part_name, span_finding, texts
from prep.lint.detectors.identifiers import MAX_A_TEXT, IdentifierRule
from prep.pii.name_model import find_names_by_model, model_unavailable, spacy_model
from prep.pii.names import find_names, may_hold_name

_WORDS = {"PERSON": "a person's name", "LOCATION": "a place", "DATE_OF_BIRTH": "a date of birth"}


class PersonName(IdentifierRule):
    """A person's name or date of birth.

    ## What it does
    Finds dates of birth, and names announced by their context: a title ("Dr. Jane Doe"), an introduction ("my name is Jane Doe"), a
    field ("Patient: Jane Doe"), a signature. If Presidio (`pip install 'loopwright[pii]'`) and an English spaCy model are installed, it
    also reads up to `PII502.rows` rows for names and places without such context. Eponyms ("Parkinson's disease") and drugs are
    skipped. Information, because most texts may name people; a warning in medical data (`lint: {profile: medical}`).

    ## Why is this bad
    With a name, the text says something about an identifiable person, and a model can repeat it (Carlini et al. 2021).

    ## Example
    `Dr. Jane Doe saw the patient, born 03/12/1941.`

    ## Fix safety
    Unsafe: `prep fix propose` drafts the row with invented names, equal ones for equal names, and dates of birth moved past 2100. A
    person has to replace names that only the model finds.
    """

    code = "PII502"
    severity = Severity.INFO
    replaced = "names and identifiers"
    with_names = True
    thresholds = (Threshold("rows", 2000, "rows read by the model, about 30 texts per second on one core; patterns read every row"),)
    remedy = "Replace the name of a private person with an invented one; public figures need no action."

    def left_out(self, context: Context) -> str | None:
        return model_unavailable()

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        looked_at = may_hold_name(pl.col("text"))
        if spacy_model() is not None:
            looked_at |= pl.col("position") < context.threshold(self, "rows")
        return texts(examples).filter(looked_at)

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        severity = Severity.WARNING if context.profile == "medical" else None
        model = spacy_model()
        for row in found.iter_rows(named=True):
            spans = find_names(row["text"])
            if model is not None and row["position"] < context.threshold(self, "rows"):
                spans += find_names_by_model(row["text"], model, spans)
            for span in sorted(spans, key=lambda span: span.start)[:MAX_A_TEXT]:
                yield span_finding(
                    row, span.start, span.end, f"the {part_name(row)} contains {_WORDS[span.kind]}", kind=span.kind, severity=severity
                )
