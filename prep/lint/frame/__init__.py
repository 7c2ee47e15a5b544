"""Any input, as the frame that rules look at."""
