"""Token ids in, numbers and texts out: one loaded model that serves the base and every adapter."""
