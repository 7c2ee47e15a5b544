"""Systems under test, scoring, metrics, statistics, failures and their causes, reports."""
