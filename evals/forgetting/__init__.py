"""What a fine-tune forgets of what its base could do, and what it keeps of its training rows word for word."""
