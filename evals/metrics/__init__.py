"""One metric a file; `evals.metrics.base.METRICS` discovers them."""
