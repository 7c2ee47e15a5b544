"""Where a run's numbers are shown beside its own files: one tracker a file."""
