"""The library calls of `prep`: what its commands do, each in one call with typed arguments and a result to look at."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from loopwright.console import library_call
from loopwright.errors import UserError
from loopwright.library import StrPath
from loopwright.progress import ProgressOption

if TYPE_CHECKING:
    from prep.build.run import BuildResult
    from prep.config import ConfigLike
    from prep.lint.base.report import LintReport
    from prep.lint.options import LintOptions
    from prep.targets.write import ExportResult


def build_dataset(
    config: "ConfigLike",
    out: StrPath,
    *,
    tables: Mapping[str, object] | None = None,
    strict: bool = False,
    limit: int | None = None,
    progress: ProgressOption = False,
) -> "BuildResult":
    """Builds the dataset that a config describes, as `prep build` does.

    The folder appears when it is whole. Where nothing that the build depends on has changed, nothing is done.

    Args:
        config: the path of a YAML config, or what such a file says: a mapping or a `BuildConfig`. Without a file, its paths (sources,
            templates, the fix ledger) are relative to the current folder.
        out: the dataset's folder; an older dataset there is replaced, any other folder is refused.
        tables: source's `name` -> a pandas, Polars, PyArrow or `datasets` table that stands for its file. The source needs no `path`.
            Rows get the ids that they would get from a Parquet file under that name, and the table's content is part of the build's key.
        strict: stop at rows that cannot be used, instead of listing them in dropped.jsonl.
        limit: read no more than this many rows of each file, for a quick look.
        progress: true shows a line on stderr; a function is called with each step, the rows that are done, and their number if known.

    Raises:
        UserError: the config, a source, a template or the fix ledger is wrong, or no row is left. Nothing is written then.
    """
    from prep.build.run import build

    with library_call(progress) as callback:
        return build(config, Path(out), tables=tables, strict=strict, limit=limit, progress=callback)


def lint_dataset(
    data: object,
    *,
    test: object | None = None,
    name: str | None = None,
    select: str | Sequence[str] = (),
    ignore: str | Sequence[str] = (),
    model: str | None = None,
    thresholds: Mapping[str, float] | None = None,
    model_scores: StrPath | None = None,
    training_ledger: StrPath | None = None,
    baseline: StrPath | None = None,
    scores: StrPath | None = None,
    excerpts: bool = False,
    page: bool = False,
    encoding: str = "utf-8",
    fresh: bool = False,
    config: StrPath | None = None,
    input_columns: str | Sequence[str] = (),
    answer_column: str | None = None,
) -> "LintReport":
    """Lints a built dataset, a training file, or a table, as `prep lint` does.

    Args:
        data: a built dataset's folder, a file in any format that `prep` reads, or a pandas, Polars, PyArrow or `datasets` table.
        test: a foreign evaluation file or table, to look for leaks into it.
        name: what the report calls a table; default: `table`.
        select: only these rules: codes or their beginnings, one text with commas or several.
        ignore: not these rules.
        model: the model whose tokenizer the token rules use; default: the config's.
        thresholds: `CODE.name` -> value, over a rule's default.
        model_scores: the parquet that `evals score` wrote.
        training_ledger: a training run, for what it saw of each row.
        baseline: an earlier report as JSON; only what is new is reported.
        scores: write id, code and score of every ranked row to this parquet.
        excerpts: fetch the text that findings point at.
        page: count what the HTML page shows of the data.
        encoding: the text encoding of files that have no byte order mark.
        fresh: look again, though nothing has changed since the last time. Tables are always looked at.
        config: a built dataset's config, for its plug-ins and what its fix ledger keeps; default: the one that lies beside it.
        input_columns: the columns of a file or table that are the input; default: guessed where its keys do not tell.
        answer_column: likewise the one that is the answer.

    Raises:
        UserError: the data cannot be read at all, an option names what does not exist, or the model is not there.
    """
    from prep.lint.frame.answer_columns import NamedColumns
    from prep.lint.options import LintOptions, rule_codes

    options = LintOptions(
        select=rule_codes(select),
        ignore=rule_codes(ignore),
        model=model,
        thresholds=dict(thresholds or {}),
        model_scores=_path(model_scores),
        training_ledger=_path(training_ledger),
        baseline=_path(baseline),
        scores=_path(scores),
        excerpts=excerpts,
        page=page,
        columns=NamedColumns((input_columns,) if isinstance(input_columns, str) else tuple(input_columns), answer_column),
        encoding=encoding,
    )
    if name == "test":
        raise UserError("the table's name is 'test'", remedy="Give it another; the table for test= has that name.")
    if name is not None and isinstance(data, str | os.PathLike):
        raise UserError(f"'{name}' is to be the name of a file", str(data), "Leave name= out; it names tables.")
    with library_call():
        return _lint({name or "table": data, "test": test}, options, _path(config), fresh=fresh)


def _lint(given: Mapping[str, object], options: "LintOptions", config_path: Path | None, *, fresh: bool) -> "LintReport":
    """Lints the first of two files or tables, against the second where there is one."""
    from prep.lint.cache import cached_lint
    from prep.lint.run import lint
    from prep.sources.tables import table_files

    first, second = given
    paths = {key: Path(value) for key, value in given.items() if isinstance(value, str | os.PathLike)}
    tables = {key: value for key, value in given.items() if key not in paths and value is not None}
    if not tables:
        return cached_lint(paths[first], test=paths.get(second), options=options, config_path=config_path, fresh=fresh)
    with table_files(tables) as written:
        places = paths | written
        names = {path: key for key, path in written.items()}
        return lint(places[first], test=places.get(second), options=options, names=names, config_path=config_path)


def export_dataset(
    dataset: StrPath,
    target: str,
    out: StrPath,
    *,
    form: str | None = None,
    splits: str | Sequence[str] = (),
    drop_invalid: bool = False,
    config: StrPath | None = None,
) -> "ExportResult":
    """Writes a dataset in a target's own format, and checks it, as `prep export` does.

    Args:
        dataset: a built dataset's folder.
        target: whose format, such as `openai`, `trl` or `hf`.
        out: the folder to write; an older export there is replaced, any other folder is refused.
        form: `chat`, `verbalizer`, `completion` or `preference`; default: the first of the target's forms that the dataset has.
        splits: only these; default: all.
        drop_invalid: leave out rows that break a rule of the target, and list them with the reasons in `OUT.dropped.jsonl`, beside `out`.
        config: the config whose plug-ins are used; default: the one that lies beside the dataset.

    Raises:
        UserError: the target, form or split is not to be had, a row breaks a rule of the target, or the folder cannot be written.
    """
    from prep.targets.write import export

    chosen = (splits,) if isinstance(splits, str) else tuple(splits)
    with library_call():
        return export(Path(dataset), target, Path(out), form=form, splits=chosen, drop_invalid=drop_invalid, config_path=_path(config))


def _path(path: StrPath | None) -> Path | None:
    return None if path is None else Path(path)
