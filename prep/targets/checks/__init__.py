"""The rules that a target's files are held to, by the form of their rows."""
