"""One system under test a file; `evals.system.SYSTEMS` discovers them."""
