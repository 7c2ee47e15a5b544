"""Reinforcement learning from a reward model: the policy step of RLHF."""
