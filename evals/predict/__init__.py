"""From rows to the token ids that a model is asked with."""
