"""Whether an answer says what its input says."""
