"""A model's scores of the rows, for lint."""
