"""DUP rules. Is every row there once?"""
