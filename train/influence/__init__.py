"""Influence: which training rows push a model towards what it says of another row."""
