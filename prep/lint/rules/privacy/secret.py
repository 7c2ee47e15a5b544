"""PII503 Secret."""

from collections.abc import Iterable

import polars as pl

from prep.lint.base.context import Context
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.texts import part_name, span_finding, texts
from prep.lint.detectors.identifiers import IdentifierRule, find_first
from prep.pii import find_secrets, may_hold_secret


class Secret(IdentifierRule):
    """A key, token, private key or password.

    ## What it does
    Finds keys and tokens by the formats of about fifty providers (cloud, code hosting, model, payment and messaging services), private
    key blocks, JSON web tokens, passwords in URLs, and random-looking values (Shannon entropy) behind a name such as `api_key` or
    `password`. Provider formats are errors, the rest warnings. Placeholders (`YOUR_API_KEY`, `sk-xxxx`, the `EXAMPLE` keys of
    documentation) are skipped. The report never shows a secret, and lists the first 100 of a text.

    ## Why is this bad
    A model can repeat a key from its training data (Carlini et al. 2021), and anyone with the file can use it now.

    ## Example
    `export AWS_SECRET_ACCESS_KEY=...` pasted into a question about a failing upload.

    ## Fix safety
    Unsafe: `prep fix propose` drafts the row with each secret and identifier replaced by a placeholder of the same form. Revoke the key
    in any case: it has been in a file.
    """

    code = "PII503"
    severity = Severity.ERROR
    replaced = "secrets and identifiers"
    remedy = "Revoke the secret and remove it from the data; for a built dataset accept the draft of `prep fix propose`."

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
                    f"the {part_name(row)} contains {article} {span.provider}",
                    kind="SECRET",
                    severity=None if span.certain else Severity.WARNING,
                )
