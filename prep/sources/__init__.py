"""Source formats: each module is one, and is found by itself."""
