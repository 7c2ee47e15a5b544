"""PII504 HipaaIdentifier."""

from collections.abc import Iterable

import polars as pl

from prep.lint.base.context import Context
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.texts import part_name, span_finding, texts
from prep.lint.detectors.identifiers import MAX_A_TEXT, IdentifierRule
from prep.pii import find_pii
from prep.pii.hipaa import find_hipaa, may_hold_hipaa
from prep.pii.names import find_names

_WORDS = {
    "LOCATION": "a street address",
    "ZIP_CODE": "a ZIP code",
    "DATE": "a date more exact than the year",
    "AGE_OVER_89": "an age over 89",
    "HEALTH_PLAN_NUMBER": "a health plan number",
    "ACCOUNT_NUMBER": "an account, patient or case number",
    "LICENSE_NUMBER": "a certificate or licence number",
    "VEHICLE_ID": "a vehicle identifier",
    "DEVICE_ID": "a device identifier",
}


class HipaaIdentifier(IdentifierRule):
    """A HIPAA Safe Harbor identifier in medical data.

    ## What it does
    For medical data (`lint: {profile: medical}`), finds those of the 18 kinds of 45 CFR 164.514(b)(2)(i) that other rules do not:
    street addresses and ZIP codes, dates more exact than the year, ages over 89, and numbers of health plans, accounts, licences,
    vehicles and devices that the text names. PII502 covers names and dates of birth, and warns of them in medical data; PII501 covers
    phone, fax, e-mail, social security and record numbers, web and IP addresses. Biometrics and photographs are not text. No findings
    prove nothing: Safe Harbor also requires a person who knows the data.

    ## Why is this bad
    Such details identify patients, and they make the file protected health information for everyone who trains on it.

    ## Example
    `93-year-old man from Boston, MA 02118, admitted 03/12/2021, member ID XYZ123456789.`

    ## Fix safety
    Unsafe: `prep fix propose` drafts the row with invented values. Dates move past 2100, all by the same number of days (as in
    MIMIC-III, Johnson et al. 2016), and ages over 89 become 90, the one category that Safe Harbor allows.
    """

    code = "PII504"
    severity = Severity.WARNING
    replaced = "identifiers of patients"
    with_medical = True
    remedy = "Remove the detail or replace it with an invented one; for a built dataset accept the draft of `prep fix propose`."

    def unavailable(self, context: Context) -> str | None:
        return None if context.profile == "medical" else "only for medical data: set 'lint: {profile: medical}' in the config"

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return texts(examples).filter(may_hold_hipaa(pl.col("text")))

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        for row in found.iter_rows(named=True):
            text = row["text"]
            said = bytearray(len(text))
            for span in (*find_pii(text), *find_names(text)):
                said[span.start : span.end] = b"\1" * (span.end - span.start)
            spans = [span for span in find_hipaa(text) if said.find(1, span.start, span.end) < 0]
            for span in spans[:MAX_A_TEXT]:
                yield span_finding(row, span.start, span.end, f"the {part_name(row)} contains {_WORDS[span.kind]}", kind=span.kind)
