"""Base models: fetched, found and loaded."""
