"""Rounds: build, lint, train, evaluate, propose fixes, compare with the round before."""
