"""The parts of `compare_checkouts.py`: what is run in a checkout, and how the results of two are compared."""
