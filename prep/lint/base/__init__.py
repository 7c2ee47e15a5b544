"""What rules and the run share: rule, finding, diagnostic, context."""
