"""Drafts of repairs, until they are in the fix ledger."""
