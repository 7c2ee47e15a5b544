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
    """A person's name or date of birth in the text.

    ## What it does
    Finds names that their surroundings announce: a title ("Dr. Jane Doe"), an introduction ("my name is Jane Doe"), a field
    ("Patient: Jane Doe"), a signature; and dates of birth. Where Presidio is installed (`pip install 'loopwright[pii]'`) with an English
    spaCy model, the rows up to `PII502.rows` are read by it too, for names and places that stand bare in a sentence. Eponyms
    ("Parkinson's disease") and drugs are left alone. Information, as most texts may name people; in data declared medical
    (`lint: {profile: medical}`) a warning.

    ## Why is this bad
    With a name beside it, what a text says is said about somebody, and a model can repeat it (Carlini et al. 2021).

    ## Example
    `Dr. Jane Doe saw the patient, born 03/12/1941.`

    ## Fix safety
    Unsafe: `prep fix propose` drafts the row with invented names, the same one for the same name, and dates of birth moved to after 2100.
    A name that is only found by the model is for a person to replace.
    """

    code = "PII502"
    severity = Severity.INFO
    replaced = "names and identifiers"
    with_names = True
    thresholds = (Threshold("rows", 2000, "the model reads some 30 texts a second on one core; the patterns read every row"),)
    remedy = "Replace the name by an invented one where the text is about somebody; nothing needs to be done for public figures."

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
                    row, span.start, span.end, f"the {part_name(row)} holds {_WORDS[span.kind]}", kind=span.kind, severity=severity
                )
