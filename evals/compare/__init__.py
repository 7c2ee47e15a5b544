"""From predictions to intervals, paired differences, slices and a verdict."""
