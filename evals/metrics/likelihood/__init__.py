"""Metrics of how well a model predicts texts that it is given to read."""
