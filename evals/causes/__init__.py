"""Failures, and what may have caused them."""
