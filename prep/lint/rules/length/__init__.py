"""LEN rules. Does every row fit, with an answer left to learn?"""
