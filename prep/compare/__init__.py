"""Two builds of a dataset, or one edited template, side by side."""
