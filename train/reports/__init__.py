"""The page of a finished run, and that of a run from several seeds."""
