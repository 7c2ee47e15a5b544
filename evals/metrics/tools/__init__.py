"""Metrics of the calls of tools that an answer makes."""
