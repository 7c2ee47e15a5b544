"""A dataset of answers that are wanted or not."""

from pathlib import Path
from typing import Any

from tests.helpers import write_dataset


def judged_rows(num_train: int = 11, num_validation: int = 3) -> list[dict[str, Any]]:
    """Answers of unlike lengths, about half of them wanted; every prompt comes twice."""
    rows = []
    for index in range(num_train + num_validation):
        text = f"The soup was {'great ' * (index // 2 % 4 + 1)}and the waiter was slow, order {index // 2}."
        wanted = index % 3 != 1
        answer = f"A great soup{', and again' * (index % 3)}." if wanted else f"The bill was wrong{' and slow' * (index % 4)}."
        messages = [{"role": "user", "content": text}, {"role": "assistant", "content": answer}]
        rows.append({"split": "train" if index < num_train else "validation", "messages": messages, "wanted": wanted})
    return rows


def write_judged(folder: Path) -> Path:
    return write_dataset(folder, judged_rows())
