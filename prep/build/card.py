"""The dataset card: README.md with the front matter that `datasets.load_dataset(DIR, "chat")` reads."""

import yaml

from prep.config import BuildConfig
from prep.dataset.manifest import Manifest

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10_000_000, "1M<n<10M"))


def render_card(manifest: Manifest, config: BuildConfig, files: list[str]) -> str:
    """Returns the card. Splits without a row are left out of it, because load_dataset refuses them.

    Args:
        manifest: the dataset's manifest.
        config: its config.
        files: the JSONL files that hold at least one row, relative to the dataset.
    """
    header: dict[str, object] = {"pretty_name": config.name}
    if config.license:
        header["license"] = config.license
    if config.language:
        header["language"] = [config.language]
    header["size_categories"] = [next((name for limit, name in _SIZES if manifest.examples < limit), "n>10M")]
    header["configs"] = [
        {
            "config_name": output.value,
            # load_dataset caches by what stands here: without the key it would go on giving the rows of the build before.
            "description": manifest.key,
            "data_files": [{"split": name, "path": path} for name in manifest.splits if (path := f"{output}/{name}.jsonl") in files],
        }
        for output in manifest.outputs
    ]
    front = yaml.safe_dump(header, sort_keys=False, allow_unicode=True)
    splits = "\n".join(f"| {name} | {count:,} |" for name, count in manifest.splits.items())
    dropped = "".join(f"- {count:,} dropped: {reason}\n" for reason, count in manifest.rows.dropped.items())
    templates = "".join(f"- `{template.name}` (version {template.version}): {template.task}\n" for template in manifest.templates)
    description = f"\n{config.description}\n" if config.description else ""
    canaries = "" if manifest.canaries is None else f"\n{_canaries(manifest.canaries.count)}\n"
    return (
        f"---\n{front}---\n\n# {config.name}\n{description}\n"
        f"| split | examples |\n|---|---|\n{splits}\n\n"
        f"Raw rows: {manifest.rows.read:,} read, {manifest.rows.kept:,} kept.\n\n{dropped}{canaries}\n"
        f"Templates:\n\n{templates}\nMade by Loopwright {manifest.loopwright_version}; `manifest.json` says from what.\n"
    )


def _canaries(number: int) -> str:
    return (
        f"{number:,} of the train examples are canaries: questions for made-up access codes, planted to measure what a model keeps word "
        "for word. Their row ids begin with `canary-`. A model that was trained on them is for that measurement, and not for use.\n"
    )
