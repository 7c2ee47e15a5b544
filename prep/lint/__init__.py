"""Lint for training data: `prep.lint.run.lint` is the one door."""
