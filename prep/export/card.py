"""The card of an exported folder."""

from pathlib import Path

import yaml

from prep.export.profile import Job

CARD_NAME = "README.md"


def write_card(folder: Path, job: Job, files: dict[str, list[str]]) -> None:
    """Writes README.md with the front matter that `datasets.load_dataset(FOLDER)` reads: which files are which split."""
    header = {
        "pretty_name": job.name,
        "configs": [{"config_name": "default", "data_files": [{"split": split, "path": paths} for split, paths in files.items()]}],
    }
    front = yaml.safe_dump(header, sort_keys=False, allow_unicode=True)
    (folder / CARD_NAME).write_text(f"---\n{front}---\n\n# {job.name}\n\nForm: {job.form}. Made by Loopwright.\n", encoding="utf-8")
