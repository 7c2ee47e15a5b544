"""One metric a file; `evals.metric.METRICS` discovers them."""
