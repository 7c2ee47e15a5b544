"""The dataset on disk: the contract that every step after the build reads."""
