"""LEK rules. Is what is evaluated on unseen in training?"""
