"""PII501 PersonalIdentifier."""

from collections.abc import Iterable

import polars as pl

from prep.lint.context import Context
from prep.lint.drafts import edit_texts
from prep.lint.rule import Draft, Finding, Rule, Severity, Subject
from prep.lint.texts import TEXT_COLUMNS, span_finding, texts
from prep.pii import find_pii, mask, may_hold_pii

_WORDS = {
    "EMAIL_ADDRESS": "an e-mail address",
    "PHONE_NUMBER": "a phone number",
    "CREDIT_CARD": "a card number (its check digit is right)",
    "IBAN_CODE": "a bank account (its check digits are right)",
    "US_SSN": "a US social security number",
    "IP_ADDRESS": "an IP address",
    "MEDICAL_RECORD_NUMBER": "a medical record number",
    "URL_CREDENTIALS": "a web address with a user name and password",
    "URL": "a web address",
}


class PersonalIdentifier(Rule):
    """A personal identifier in the text: e-mail, phone, card, bank account, social security, record number, IP address.

    ## What it does
    Finds identifiers by pattern and, for cards (Luhn), bank accounts (ISO 13616, mod 97) and network addresses, by checksum or parsing.
    Order numbers, dates, amounts and part codes are not taken for them. A plain web address is information, one with a password a
    warning. The report masks what it found.

    ## Why is this bad
    A model can repeat what it was trained on, to anybody (Carlini et al. 2021); and the file itself may not be passed on.

    ## Example
    `My mobile is +1 312-555-0148.`

    ## Fix safety
    Unsafe: `prep fix propose` drafts the row with each identifier replaced by its kind in brackets, for a person to accept.
    """

    code = "PII501"
    severity = Severity.WARNING
    columns = TEXT_COLUMNS
    remedy = "Replace or remove the identifier; for a built dataset accept the fix that `prep fix propose` drafts."

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return texts(examples).filter(may_hold_pii(pl.col("text")))

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        for row in found.iter_rows(named=True):
            for span in find_pii(row["text"]):
                part = "system message" if row["part"] == "system" else row["part"]
                yield span_finding(
                    row,
                    span.start,
                    span.end,
                    f"the {part} holds {_WORDS[span.kind]}",
                    kind="URL" if span.kind == "URL_CREDENTIALS" else span.kind,
                    severity=Severity.INFO if span.kind == "URL" else None,
                    remedy="Nothing needs to be done where web addresses belong in the data." if span.kind == "URL" else None,
                )

    def draft(self, finding: Finding, subject: Subject) -> Draft | None:
        fields = edit_texts(subject.fields, mask)
        return Draft("edit", "identifiers replaced by their kind", fields) if fields else None
