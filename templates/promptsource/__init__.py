"""promptsource's templates as ours: `import_promptsource` reads its YAML files and writes one template file each."""

from templates.promptsource.importer import ImportResult, Refused, import_promptsource

__all__ = ["ImportResult", "Refused", "import_promptsource"]
