"""The card of an exported folder."""

from pathlib import Path

import yaml

from loopwright.hashing import hash_file, hash_text
from prep.targets.profile import Job

CARD_NAME = "README.md"


def write_card(folder: Path, job: Job, files: dict[str, list[str]]) -> None:
    """Writes README.md with the front matter that `datasets.load_dataset(FOLDER)` reads: which files are which split."""
    # load_dataset caches by what stands here: without it, it would go on giving the rows of the export before.
    key = hash_text(*(hash_file(folder / path) for paths in files.values() for path in paths))
    header = {
        "pretty_name": job.name,
        "configs": [
            {
                "config_name": "default",
                "description": key,
                "data_files": [{"split": split, "path": paths} for split, paths in files.items()],
            }
        ],
    }
    front = yaml.safe_dump(header, sort_keys=False, allow_unicode=True)
    (folder / CARD_NAME).write_text(f"---\n{front}---\n\n# {job.name}\n\nForm: {job.form}. Made by Loopwright.\n", encoding="utf-8")
