"""From raw rows to a dataset folder."""
