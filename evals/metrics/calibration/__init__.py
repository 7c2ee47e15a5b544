"""Metrics of how far a system's probabilities can be trusted."""
