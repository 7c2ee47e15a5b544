"""The splits of a dataset, and which of them keeps a row that two of them have."""

from typing import Literal

# In the order in which the survivor of copies is preferred: an evaluation row must not be lost to its copy in train.
SPLIT_PRIORITY = ("test", "validation", "train")

SplitName = Literal["train", "validation", "test"]
SPLIT_NAMES: tuple[SplitName, ...] = ("train", "validation", "test")
