"""One system under test a file; `evals.systems.base.SYSTEMS` discovers them."""
