"""Tests of reinforcement learning from a reward model."""
