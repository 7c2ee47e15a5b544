"""What training saw of each example."""
