"""`prep fix migrate`: from the one fix ledger of a folder, as earlier versions had it, to one a config."""

from collections.abc import Iterable, Set
from dataclasses import dataclass
from pathlib import Path

from loopwright.errors import UserError
from loopwright.files import write_json_lines
from loopwright.plugins import use_plugins
from prep.build.fix_ledger import Fix, append_fixes, load_fixes
from prep.build.ledger_file import SHARED_NAME, own_ledger, sharing_configs
from prep.config import LocatedConfig, locate_config
from prep.sources.files import find_files
from prep.sources.rows import ROW_ID, base_id, iter_rows


@dataclass(frozen=True, slots=True)
class Migration:
    """What moving a config's entries came to.

    Attributes:
        ledger: the config's own ledger.
        num_moved: entries that are in it now and were not.
        num_left: entries that stay in the shared ledger; none: the file is gone.
        others: the configs that go on with the shared ledger.
    """

    ledger: Path
    num_moved: int
    num_left: int
    others: tuple[Path, ...]


def migrate_ledger(config_path: Path) -> Migration:
    """Moves the entries of a config out of the ledger that configs of one folder shared, into its own.

    Where other configs may mean the shared ledger, those of this config's rows move. What another one needs stays there as well: entries
    of rows that both read, and added rows, of which nobody can say whose they are.

    Raises:
        UserError: the config names its ledger, or a ledger or its sources cannot be read.
    """
    located = locate_config(config_path)
    if located.config.fixes is not None:
        remedy = "Take that line out, then run this again."
        raise UserError(f"the config names its fix ledger: 'fixes: {located.config.fixes}'", str(config_path), remedy)
    own = own_ledger(config_path)
    entries = load_fixes(config_path.with_name(SHARED_NAME))
    others = sharing_configs(config_path)
    if not others:
        return _move(entries, [], Migration(own, 0, 0, ()))
    waiting = tuple(one for one in others if not own_ledger(one).exists() or _shares_by_name(one))
    ids, needed = _row_ids(located), _ids_of_all(waiting)
    mine = [fix for fix in entries if _is_of(fix, ids)]
    left = [fix for fix in entries if not _is_of(fix, ids) or (waiting and (needed is None or _is_of(fix, needed)))]
    return _move(mine, left, Migration(own, 0, 0, waiting))


def _is_of(fix: Fix, ids: Set[str]) -> bool:
    return fix.op == "add" or base_id(fix.row_id) in ids


def _move(mine: list[Fix], left: list[Fix], planned: Migration) -> Migration:
    """Writes both ledgers, first the one that gains: killed in between, an entry stands twice and none is lost."""
    known = {fix.model_dump_json() for fix in load_fixes(planned.ledger)}
    moved = [fix for fix in mine if fix.model_dump_json() not in known]
    if moved:
        append_fixes(planned.ledger, moved)
    shared = planned.ledger.with_name(SHARED_NAME)
    if left:
        write_json_lines(shared, [fix.model_dump(exclude_defaults=True) for fix in left], private=True)
    else:
        shared.unlink(missing_ok=True)
    return Migration(planned.ledger, len(moved), len(left), planned.others)


def _shares_by_name(config_path: Path) -> bool:
    try:
        return locate_config(config_path).config.fixes is not None
    except UserError:
        return True  # nobody knows what it means


def _ids_of_all(configs: Iterable[Path]) -> Set[str] | None:
    """Returns the ids of the rows of all configs; None where those of one cannot be read, so that it may need any entry."""
    try:
        return {row_id for config in configs for row_id in _row_ids(locate_config(config))}
    except UserError:
        return None


def _row_ids(located: LocatedConfig) -> set[str]:
    with use_plugins(located.plugins):
        files = find_files(located.config.sources, located.base_dir, located.where)
        return {base_id(row_id) for batch in iter_rows(files) for row_id in batch.frame[ROW_ID]}
