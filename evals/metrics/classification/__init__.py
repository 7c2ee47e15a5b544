"""Metrics of chosen labels."""
