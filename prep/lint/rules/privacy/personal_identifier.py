"""PII501 PersonalIdentifier."""

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from prep.lint.base.context import Context
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.texts import part_name, span_finding, texts
from prep.lint.detectors.identifiers import IdentifierRule, find_first
from prep.pii import PiiSpan, find_pii, may_hold_pii
from prep.pii.phones import is_service_number

_WORDS = {
    "EMAIL_ADDRESS": "an e-mail address",
    "PHONE_NUMBER": "a phone number",
    "CREDIT_CARD": "a card number (valid check digit)",
    "IBAN_CODE": "a bank account (valid check digits)",
    "US_SSN": "a US social security number",
    "IP_ADDRESS": "an IP address",
    "MEDICAL_RECORD_NUMBER": "a medical record number",
    "URL_CREDENTIALS": "a URL with user name and password",
    "URL": "a web address",
}
_HARMLESS = {
    "URL": ("a web address", "No action needed if URLs belong in the data."),
    "PHONE_NUMBER": ("a company's phone number", "No action needed for a company's number."),
    "IP_ADDRESS": ("an IP address of a private network", "No action needed: private addresses are the same in every network."),
}


class PersonalIdentifier(IdentifierRule):
    """A personal identifier: e-mail, phone, card, bank account, social security, record number, IP address.

    ## What it does
    Finds identifiers by pattern, and verifies cards (Luhn and issuer ranges), bank accounts (ISO 13616: mod 97, length per country) and
    network addresses by checksum or parsing. Order numbers, dates, amounts, versions and part codes are not reported. Plain URLs,
    toll-free and service numbers and private network addresses identify nobody and are information. The report masks what it finds, and
    lists the first 100 of a text.

    ## Why is this bad
    A model can repeat its training data to anybody (Carlini et al. 2021), and the file itself may not be shared.

    ## Example
    `My mobile is +1 312-555-0148.`

    ## Fix safety
    Unsafe: `prep fix propose` drafts the row with each identifier and secret replaced by an invented value of the same form. Equal
    values get equal replacements throughout the dataset, from ranges reserved for examples, so they are not reported again.
    """

    code = "PII501"
    severity = Severity.WARNING
    remedy = "Replace or remove the identifier; for a built dataset accept the draft of `prep fix propose`."

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return texts(examples).filter(may_hold_pii(pl.col("text")))

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        for row in found.iter_rows(named=True):
            for span in find_first(find_pii, row["text"]):
                yield _finding(row, span)


def _finding(row: Mapping[str, Any], span: PiiSpan) -> Finding:
    what, remedy = _HARMLESS[span.kind] if _is_harmless(row["text"], span) else (_WORDS[span.kind], None)
    return span_finding(
        row,
        span.start,
        span.end,
        f"the {part_name(row)} contains {what}",
        kind="URL" if span.kind == "URL_CREDENTIALS" else span.kind,
        severity=Severity.INFO if remedy else None,
        remedy=remedy,
    )


def _is_harmless(text: str, span: PiiSpan) -> bool:
    """Whether an identifier names no person."""
    match span.kind:
        case "URL":
            return True
        case "PHONE_NUMBER":
            return is_service_number(text, span.start, span.end)
        case "IP_ADDRESS":
            address = ipaddress.ip_address(text[span.start : span.end])
            return address.is_link_local or any(address in network for network in _PRIVATE if network.version == address.version)
    return False


# RFC 1918 and RFC 4193.
_PRIVATE = tuple(ipaddress.ip_network(one) for one in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"))
