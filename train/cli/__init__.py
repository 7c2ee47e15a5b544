"""The command line of `train`: each command parses, calls one door, and prints."""
