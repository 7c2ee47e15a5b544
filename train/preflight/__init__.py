"""What a run will take, before it is run: some of its micro-batches are timed, and the rest follows from their lengths."""
