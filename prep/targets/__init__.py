"""How a training target's rows are written, and how its files are checked."""
