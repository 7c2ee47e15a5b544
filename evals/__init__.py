"""Systems under test, scoring, metrics, statistics, failures and their causes, reports."""

from loopwright.siblings import require_siblings

require_siblings("templates", "prep", "train")
