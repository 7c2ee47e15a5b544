"""PII rules. Is the text free of personal data and secrets?"""
