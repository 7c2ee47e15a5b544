"""The `prep fix` commands."""

from pathlib import Path
from typing import Annotated

import typer

from loopwright.command_line import make_app
from loopwright.console import notice, print_json, print_result

fix_app = make_app("Draft, review and apply fixes to the data.")

Drafts = Annotated[Path, typer.Argument(help="The drafts that `prep fix propose` wrote.")]
Encoding = Annotated[str, typer.Option(help="The table's text encoding, where it has no byte order mark.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result to stdout as JSON.")]


@fix_app.command()
def propose(
    dataset: Annotated[Path, typer.Argument(help="A dataset's folder.")],
    failures: Annotated[Path | None, typer.Option(help="failures.jsonl of an evaluation.")] = None,
    out: Annotated[
        Path,
        typer.Option("--out", help="The file to write the drafts to; .csv or .xlsx: a table to open, with the drafts beside it as .jsonl."),
    ] = Path("drafts.jsonl"),
    model: Annotated[str | None, typer.Option(help="A model whose tokenizer the token rules use.")] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="The dataset's config, for plug-ins and kept findings; default: the one beside it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Draft fixes from lint's diagnostics and from a model's failures."""
    from collections import Counter

    from prep.dataset.plugins import dataset_plugins
    from prep.fixes.drafts import write_drafts
    from prep.fixes.propose import config_changes
    from prep.fixes.propose import propose as propose_drafts
    from prep.lint.run import LintOptions, lint

    with dataset_plugins(dataset, config):
        report = lint(dataset, options=LintOptions(model=model), config_path=config)
        drafts = propose_drafts(dataset, failures_path=failures, report=report, config_path=config)
        changes = config_changes(report)
    kept = write_drafts(out, drafts)
    counts = Counter(draft.op for draft in drafts)
    notice(f"{len(drafts)} drafts in {out} ({', '.join(f'{number} {op}' for op, number in sorted(counts.items())) or 'nothing to fix'})")
    review = f"prep fix edit {out}" if kept == out else f"set 'accept' and correct 'new' in {out}"
    notice(f"Review them: {review}   Then: prep fix apply {out} CONFIG")
    for code, remedy in changes:
        notice(f"{code} cannot be fixed row by row; change the config: {remedy}")
    if as_json:
        print_json(
            {
                "out": str(out),
                "drafts": len(drafts),
                "by_op": counts,
                "config": [{"code": code, "remedy": remedy} for code, remedy in changes],
            }
        )


@fix_app.command()
def edit(
    drafts: Drafts,
    to_csv: Annotated[Path | None, typer.Option("--to-csv", help="Write a table for a spreadsheet instead, .csv or .xlsx.")] = None,
    from_csv: Annotated[Path | None, typer.Option("--from-csv", help="Read the edited table back, .csv or .xlsx.")] = None,
    encoding: Encoding = "utf-8",
) -> None:
    """Open the drafts as one table, in $EDITOR or as CSV: set `accept`, correct `new`; `op: keep` where a draft is wrong."""
    from prep.fixes.drafts import drafts_table, edit_in_editor, load_drafts, save_drafts, take_back
    from prep.fixes.table_files import read_table, write_table

    if to_csv is not None:
        write_table(to_csv, drafts_table(load_drafts(drafts)))
        print_result(str(to_csv))
        return
    if from_csv is not None:
        changed = take_back(read_table(from_csv, encoding), load_drafts(drafts), str(from_csv))
        save_drafts(drafts, changed)
    else:
        changed = edit_in_editor(drafts)
    notice(f"{sum(draft.accept for draft in changed)} of {len(changed)} drafts accepted")


@fix_app.command()
def apply(
    drafts: Drafts,
    config: Annotated[Path, typer.Argument(help="The build config, which names the fix ledger.")],
    safe: Annotated[bool, typer.Option("--safe", help="Apply every safe draft, accepted or not.")] = False,
    encoding: Encoding = "utf-8",
    as_json: Json = False,
) -> None:
    """Move accepted drafts into the fix ledger, which every build replays."""
    from prep.fixes.drafts import apply_drafts

    taken = apply_drafts(drafts, config, safe=safe, encoding=encoding)
    num_kept = sum(fix.op == "keep" for fix in taken)
    changes = f"{len(taken) - num_kept} fixes added to the ledger of {config}. Rebuild to apply them: prep build {config} --out DIR"
    if num_kept < len(taken) or not num_kept:
        notice(changes)
    if num_kept:
        notice(f"{num_kept} findings kept, in the ledger of {config}: lint shows them no more, as long as their rows stay as they are.")
    if as_json:
        print_json({"applied": len(taken), "kept": num_kept})


@fix_app.command()
def migrate(
    config: Annotated[Path, typer.Argument(help="The build config that gets a fix ledger of its own.")],
    as_json: Json = False,
) -> None:
    """Move a config's entries out of `fixes.jsonl`, which configs of one folder shared, into a ledger of its own."""
    from prep.build.ledger_file import SHARED_NAME
    from prep.fixes.migrate import migrate_ledger

    result = migrate_ledger(config)
    notice(f"{result.num_moved} entries moved from {SHARED_NAME} to {result.ledger}.")
    if result.num_left:
        others = f" It is still used by {', '.join(str(one) for one in result.others)}." if result.others else " No config reads them."
        notice(f"{result.num_left} stay in {SHARED_NAME}: of rows of other configs, of rows that are gone, or added ones.{others}")
    if as_json:
        print_json({"ledger": str(result.ledger), "moved": result.num_moved, "left": result.num_left})
