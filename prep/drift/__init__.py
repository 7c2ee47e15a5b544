"""Has production moved away from the dataset? New rows against the rows that a model is trained on."""
