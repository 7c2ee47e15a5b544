"""The rules, one a file, discovered by their code."""
