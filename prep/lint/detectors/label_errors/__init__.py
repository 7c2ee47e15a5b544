"""Labels that the rows themselves speak against."""
