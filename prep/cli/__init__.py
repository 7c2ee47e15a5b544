"""The commands of prep: each parses, calls one library function and prints."""
