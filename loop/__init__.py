"""Rounds: build, lint, train, evaluate, propose fixes, compare with the round before."""

from loopwright.siblings import require_siblings

require_siblings("templates", "prep", "train", "evals")
