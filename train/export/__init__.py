"""A finished run as a folder that other programs load: a plain model, or an adapter with all that it takes."""
