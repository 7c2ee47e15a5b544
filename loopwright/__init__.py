"""The foundation: errors, configuration, console, registry, hashing, file writing, model names to folders. No torch here."""

__version__ = "0.1.0"
