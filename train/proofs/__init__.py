"""Proofs that a run did what it was told, made at its end and repeated by `train verify`; one claim a file."""
