"""Shapes of records: which keys tell them, how each is read, and what may stand in a message."""
