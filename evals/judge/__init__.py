"""A language model as judge of a finished evaluation, held against people's verdicts."""
