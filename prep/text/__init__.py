"""What a text says: no rows, no files."""
