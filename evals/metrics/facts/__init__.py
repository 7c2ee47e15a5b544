"""Metrics of the facts that an answer keeps."""
