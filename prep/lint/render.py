"""The reports under the names that the command uses."""

from prep.lint.reports.github import as_github
from prep.lint.reports.statistics import as_statistics
from prep.lint.reports.text import as_text, summary_line

__all__ = ["as_github", "as_statistics", "as_text", "summary_line"]
