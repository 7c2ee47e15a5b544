"""What can be refused before any work is done: folders, templates, outputs, fields and labels that do not go together."""

from pathlib import Path

from loopwright.errors import UserError, did_you_mean, raise_all
from loopwright.files import read_json
from prep.config import BuildConfig, TemplateConfig
from prep.dataset.manifest import MANIFEST_NAME
from prep.dataset.replaceable import Replaceable, other_names
from templates.form import Form
from templates.library import library_template
from templates.metric_ids import unknown_metrics
from templates.template import Template, load_template

# All that a build writes at the top of its folder, whatever the config.
_DATASET_NAMES = frozenset({*Form, MANIFEST_NAME, "README.md", "build.log", "clusters.parquet", "dropped.jsonl", "examples.parquet"})


def _is_dataset(folder: Path) -> bool:
    """Says whether a manifest is ours, of whatever version: a web page's folder has a manifest.json too, and is not to be replaced."""
    try:
        value = read_json(folder / MANIFEST_NAME)
    except UserError:
        return False
    return isinstance(value, dict) and "loopwright_version" in value


OLDER_DATASET = Replaceable(
    find_stranger=other_names(_DATASET_NAMES),  # such as a run or an evaluation that somebody put inside
    file=("--out is a file", "Name a folder."),
    stranger=("the dataset's folder holds '{stranger}', which is no part of it", "Move it elsewhere, or name a new folder."),
    is_older=_is_dataset,
    unlike=("--out is a folder with other things in it", "Name a new folder, or that of an older dataset."),
)
"""What a build may replace."""


def load_templates(config: BuildConfig, base_dir: Path, where: str) -> list[Template]:
    """Loads the templates that a config names.

    Raises:
        UserError: one is not there or is wrong; all such errors together.
    """
    loaded: list[Template] = []
    errors: list[UserError] = []
    for index, entry in enumerate(config.templates):
        try:
            template = load_template(base_dir / entry.path) if entry.path else library_template(str(entry.name))
            loaded.append(_as_configured(template, entry, f"{where}: templates.{index}"))
            errors += unknown_metrics(template.header.metrics, template.location)
        except UserError as error:
            errors.append(error if error.location else UserError(error.cause, f"{where}: templates.{index}", error.remedy))
    raise_all(errors)
    names = [template.name for template in loaded]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise UserError(f"two templates are called '{name}'", f"{where}: templates.{index}", "Rename one: ids are made of the name.")
    return loaded


def _as_configured(template: Template, entry: TemplateConfig, where: str) -> Template:
    if entry.shots is not None and bool(entry.shots) != bool(template.shots):
        shown = "no" if entry.shots else "always some"
        remedy = "Leave 'shots' out, or name a template that loops over them."
        raise UserError(f"template '{template.name}' shows {shown} demonstrations", f"{where}.shots", remedy)
    template = template.in_language(entry.language) if entry.language else template
    return template.with_shots(entry.shots) if entry.shots else template


def check_outputs(config: BuildConfig, templates: list[Template], where: str) -> list[Form]:
    """Returns the outputs to write: those asked for, else all that the templates give.

    Raises:
        UserError: an output is asked for that no template gives.
    """
    given = list(dict.fromkeys(form for template in templates for form in template.forms))
    for output in config.outputs:
        if output not in given:
            raise UserError(
                f"no template gives the output '{output}'",
                f"{where}: outputs",
                f"The templates give: {', '.join(given)}. Add one that does.",
            )
    return list(dict.fromkeys(config.outputs)) or given


def check_fields(columns: list[str], templates: list[Template], config: BuildConfig, where: str) -> None:
    """Refuses fields that no row has and labels that no verbalizer knows.

    Raises:
        UserError: one for each of them, together.
    """
    errors = []
    for template in templates:
        for name in template.required_fields:
            if name not in columns:
                raw = did_you_mean(name, columns)
                remedy = f"Map it under sources.0.fields, for example 'fields: {{{name}: {columns[0]}}}'. {raw if len(columns) > 1 else ''}"
                has = ", ".join(f"'{column}'" for column in columns)
                errors.append(
                    UserError(f"template '{template.name}' needs the field '{name}', but the rows have {has}", where, remedy.strip())
                )
    if config.chunk is not None:
        errors += _check_chunked(config.chunk.field, templates, where)
    for key, name in _named_fields(config):
        if name not in columns:
            errors.append(UserError(f"no row has the field '{name}'", f"{where}: {key}", did_you_mean(name, columns)))
    keys = [key for template in templates for key in template.words]
    for raw, key in config.labels.items():
        if key not in keys:
            errors.append(UserError(f"'{key}' is no key of a template's verbalizer", f"{where}: labels.{raw}", did_you_mean(key, keys)))
    words = [word for template in templates for word in template.choices]
    for label in config.lint.expect.label_share:
        if label not in {*keys, *words}:
            place = f"{where}: lint.expect.label_share.{label}"
            errors.append(UserError(f"'{label}' is no label of a template's verbalizer", place, did_you_mean(label, keys)))
    raise_all(errors)


def _named_fields(config: BuildConfig) -> list[tuple[str, str]]:
    """Returns (key path, field) of each field that the config names beside the templates."""
    named = [
        ("split.column", config.split.column),
        ("resample.by", config.resample.by if config.resample else None),
        ("chunk.field", config.chunk.field if config.chunk else None),
    ]
    return [(key, name) for key, name in named if name is not None]


def _check_chunked(field: str, templates: list[Template], where: str) -> list[UserError]:
    """Refuses to cut a field that is more than text: half of a list is none."""
    kinds = {template.name: template.header.inputs.get(field) for template in templates}
    return [
        UserError(f"template '{name}' takes '{field}' as {kind}, which cannot be cut", f"{where}: chunk.field", "Name a field of type str.")
        for name, kind in kinds.items()
        if kind not in {None, "str"}
    ]
