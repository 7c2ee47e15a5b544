"""The rows that are evaluated, what is said of them, and the report that it comes to."""
