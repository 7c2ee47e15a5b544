"""Methods: what of a model is trained, one file each."""
