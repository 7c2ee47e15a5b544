"""Metrics of the form of an answer."""
