"""Metrics of how a model ranks answers that people have judged."""
