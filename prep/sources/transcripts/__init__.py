"""From a transcript's text to its turns."""
