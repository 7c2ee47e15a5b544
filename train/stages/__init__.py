"""Runs that begin with each other's weights, and what each of them forgets."""
