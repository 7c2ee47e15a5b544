"""The folder of an evaluation, its page and its table."""
