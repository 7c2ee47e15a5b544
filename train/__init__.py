"""Model loading, the training loop, objectives, the training ledger."""
