"""Metrics of answers that are JSON."""
