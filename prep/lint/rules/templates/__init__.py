"""TPL rules. Is every prompt rendered as meant?"""
