"""What lint found, as text, counts, GitHub annotations, SARIF and a page: each a function of the report."""
