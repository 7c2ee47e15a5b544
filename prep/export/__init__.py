"""Writing a dataset in the formats of those who train on it: one file a target."""
