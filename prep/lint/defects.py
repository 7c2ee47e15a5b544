"""Rules whose findings come from reading the file, not from the rows that could be read."""

from collections.abc import Iterable

import polars as pl

from prep.lint.context import Context
from prep.lint.rule import Finding, Rule, Severity


class DefectRule(Rule):
    """A rule that reports the reader's defects of its own code."""

    @staticmethod
    def nothing(examples: pl.LazyFrame) -> pl.LazyFrame:
        """Returns no candidate: there is nothing to look for in rows that could be read."""
        return examples.select(Finding.where).limit(0)

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:  # noqa: ARG002
        """Reports the defects that carry this rule's code."""
        for defect in context.defects:
            if defect.code == self.code:
                yield Finding(
                    defect.message,
                    id=defect.id,
                    source=defect.source,
                    line=defect.line,
                    field=defect.field,
                    severity=Severity(defect.severity) if defect.severity else None,
                )
