"""Training examples, their order, and the micro-batches that they are packed into."""
