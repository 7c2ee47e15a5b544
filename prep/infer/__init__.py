"""A first config, from a look at the data."""
