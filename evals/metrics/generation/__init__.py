"""Metrics of written text."""
