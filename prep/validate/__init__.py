"""Holding a training file to its target's rules: every error with its line, its field and the name of the rule."""
