"""Metrics of how an answer sounds, whatever it says."""
