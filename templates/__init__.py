"""The template language, its library, and how messages become tokens and a loss mask."""
