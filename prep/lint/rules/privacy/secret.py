"""PII503 Secret."""

from collections.abc import Iterable

import polars as pl

from prep.lint.base.context import Context
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.texts import part_name, span_finding, texts
from prep.lint.detectors.identifiers import IdentifierRule, find_first
from prep.pii import find_secrets, may_hold_secret


class Secret(IdentifierRule):
    """A key, token, private key or password in the text.

    ## What it does
    Finds keys and tokens by the shapes that some fifty providers give them (cloud, code hosting, model, payment and messaging services),
    private key blocks, JSON web tokens, passwords in web addresses, and values that a name such as `api_key` or `password` announces and
    that look drawn by chance (Shannon entropy). A provider's shape is an error, the rest a warning. Placeholders (`YOUR_API_KEY`,
    `sk-xxxx`, the `EXAMPLE` keys of documentation) are left alone. The report never shows a secret; of one text it lists the first 100.

    ## Why is this bad
    A model can repeat a key that it was trained on (Carlini et al. 2021), and whoever holds the file can use it now.

    ## Example
    `export AWS_SECRET_ACCESS_KEY=...` pasted into a question about a failing upload.

    ## Fix safety
    Unsafe: `prep fix propose` drafts the row with a placeholder of the same form in place of each secret and identifier. A key that has
    been in a file is to be revoked all the same.
    """

    code = "PII503"
    severity = Severity.ERROR
    replaced = "secrets and identifiers"
    remedy = "Revoke the secret, and take it out of the data; for a built dataset accept the fix that `prep fix propose` drafts."

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return texts(examples).filter(may_hold_secret(pl.col("text")))

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        for row in found.iter_rows(named=True):
            for span in find_first(find_secrets, row["text"]):
                article = "an" if span.provider[0] in "aAeEiIoOxX" or span.provider.startswith("npm") else "a"
                yield span_finding(
                    row,
                    span.start,
                    span.end,
                    f"the {part_name(row)} holds {article} {span.provider}",
                    kind="SECRET",
                    severity=None if span.certain else Severity.WARNING,
                )
