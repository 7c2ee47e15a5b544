"""What lint found, as text, counts, GitHub annotations, SARIF and a page: each a function of the report."""

from prep.lint.reports.github import as_github
from prep.lint.reports.page import as_html
from prep.lint.reports.sarif import as_sarif
from prep.lint.reports.statistics import as_statistics, statistics_as_json
from prep.lint.reports.text import as_text, summary_line, text_view

__all__ = ["as_github", "as_html", "as_sarif", "as_statistics", "as_text", "statistics_as_json", "summary_line", "text_view"]
