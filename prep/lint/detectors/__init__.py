"""What several rules find by."""
