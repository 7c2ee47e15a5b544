"""A forward and backward pass of Llama-like models for processors: no padding, no prefix twice, few passes over memory."""
