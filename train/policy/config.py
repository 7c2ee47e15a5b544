"""The options of a policy step."""

from pydantic import BaseModel, ConfigDict, Field


class RlhfConfig(BaseModel):
    """How a run goes on by what a reward model says of its answers: `rlhf:` of a config file, read by `train rlhf`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: str | None = None
    """The run that the policy begins as, and is held close to: an adapter that answers such prompts already. It must be given."""
    reward: str | None = None
    """The run whose reward model judges the answers (`objective: reward`). It must be given."""
    max_steps: int = Field(100, ge=1)
    """Optimiser steps."""
    batch_size: int = Field(8, ge=1)
    """Prompts a step."""
    num_generations: int = Field(4, ge=2)
    """Answers drawn for each prompt; each is judged against the others' mean (leave one out)."""
    max_new_tokens: int = Field(128, ge=1)
    """An answer is cut after so many tokens."""
    temperature: float = Field(1.0, gt=0)
    """Of the draw. At 1 the answers are the policy's own, of which the gradient is."""
    beta: float = Field(0.05, ge=0)
    """What a nat of an answer's log-likelihood above the start's costs of its reward. 0: nothing holds the policy."""
    learning_rate: float = Field(1e-5, gt=0)
    """A fiftieth of what supervised training takes: rewards of a few answers are noisy. (TRL 1.16 takes 1e-6, for all weights.)"""
    max_grad_norm: float = Field(1.0, gt=0)
    """Gradients are clipped to this norm."""
    max_length: int = Field(1024, ge=2)
    """Prompts that leave less than `max_new_tokens` below it are left out."""
    num_validation_prompts: int = Field(64, ge=0)
    """Prompts of the validation split on which the reward is measured before and after; 0: none."""
    seed: int = 17
    """Of the order and of the draws."""
