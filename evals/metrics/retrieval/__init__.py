"""Metrics of what was looked up for an answer."""
