"""Drafts of repairs, until they stand in the fix ledger."""
