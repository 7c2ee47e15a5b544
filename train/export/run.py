"""The work behind `train.export_run`: a finished run becomes a folder that other programs load."""

from pathlib import Path
from typing import cast, get_args

from loopwright import __version__
from loopwright.errors import UserError, did_you_mean
from loopwright.files import atomic_dir, require_writable
from prep.dataset.plugins import dataset_plugins
from train.export.adapter import require_adapter, write_adapter
from train.export.card import write_card
from train.export.losses import LossMeter, PairedLosses, find_examples
from train.export.merged import require_mergeable, write_merged
from train.export.source import Source
from train.proofs.fresh_process import FreshProcess
from train.proofs.saved_weights import loading_request, prove_saved_weights
from train.runs.exported import BASE_NAME, ExportRecord, Kind, list_files, require_place
from train.runs.proof import Proof
from train.runs.record import RunRecord

_UNCHANGED = "the adapter is the run's own, byte for byte, so that nothing could change the loss"


def export_run(
    run_dir: Path,
    out: Path,
    to: str,
    *,
    with_base: bool = False,
    seed: int | None = None,
    model: str | None = None,
    dataset_dir: Path | None = None,
    config_path: Path | None = None,
    overwrite: bool = False,
    with_canaries: bool = False,
) -> ExportRecord:
    """Writes a run as a folder that other programs load; the folder appears only when it is whole.

    Args:
        run_dir: a finished run.
        out: the folder; new, empty or, with `overwrite`, an older export.
        to: `merged`, a plain model; or `adapter`.
        with_base: copy the base model into an adapter's folder.
        seed: which of a run's seeds; default: that of the median validation loss.
        model: the base model, where it is no longer where `run.json` says.
        dataset_dir: the dataset that the run was trained on; default: where `run.json` says, if it is still there.
        config_path: the config whose plug-ins are used; default: the one that lies beside the dataset.
        overwrite: replace an older export.
        with_canaries: export a run that was trained on canaries, too.

    Raises:
        UserError: the run is not finished or was trained on canaries, the base is gone or another one, the folder is taken, or a file
            cannot be written.
    """
    kind = _kind(to)
    if with_base and kind == "merged":
        cause = "a merged model holds its base within"
        raise UserError(cause, "--with-base", "Leave it out, or export with --to adapter.")
    recorded = RunRecord.load(run_dir)
    require_place(out, overwrite=overwrite)
    with dataset_plugins(dataset_dir or Path(recorded.dataset), config_path):
        source = Source.find(run_dir, seed, model)
        if not with_canaries:
            _require_no_canaries(source, run_dir)
        (require_mergeable if kind == "merged" else require_adapter)(source)
        _require_apart(out, run_dir, source)
        require_writable(out)
        meter = find_examples(source, dataset_dir) if kind == "merged" else _UNCHANGED
        with FreshProcess() as fresh, atomic_dir(out) as folder:
            return _write(source, meter, kind, folder, fresh, with_base=with_base)


def _write(source: Source, meter: LossMeter | str, kind: Kind, folder: Path, fresh: FreshProcess, *, with_base: bool) -> ExportRecord:
    losses: PairedLosses | None = None
    if kind == "merged":
        losses, notes = write_merged(source, None if isinstance(meter, str) else meter, folder)
    else:
        notes = write_adapter(source, folder, with_base=with_base)
    base = folder / BASE_NAME if with_base else source.base
    run, (hub_name, revision) = source.record, source.hub_base or (None, None)
    record = ExportRecord(
        to=kind,
        run=source.label,
        loopwright_version=__version__,
        objective=run.objective,
        method=run.method,
        auto_class=run.auto_class,
        dtype=run.dtype,
        base=hub_name,
        base_revision=revision,
        base_sha256=run.model_sha256,
        canaries=run.canaries,
        with_base=with_base,
        num_validation_examples=losses and losses.num_examples,
        loss_before=losses and losses.before,
        loss_after=losses and losses.after,
        difference=losses and losses.difference,
        not_measured=meter if isinstance(meter, str) else None,
        loaded=_prove_loaded(source, folder, base, fresh),
        chat_template_kwargs=run.chat_template_kwargs,
        notes=notes,
        files={},
    )
    write_card(record, run, folder)
    record = record.model_copy(update={"files": list_files(folder)})
    record.save(folder)
    return record


def _prove_loaded(source: Source, folder: Path, base: Path, fresh: FreshProcess) -> Proof:
    """Has the folder loaded as anybody would, and compared with what the trained model said when it was saved."""
    run = source.record
    if run.evidence is None:
        return Proof.not_applicable("the run was made by a version that recorded nothing to compare with")
    evidence = run.evidence
    if source.is_quantized:  # what it recorded was said by the base in 4 bits
        evidence = evidence.model_copy(update={"probe": None})
    fresh.ask(loading_request(folder, base, run.dtype, source.objective.auto_class, evidence.probe))
    return prove_saved_weights(evidence, fresh.answer(), run.dtype)


def _kind(to: str) -> Kind:
    known = get_args(Kind)
    if to not in known:
        raise UserError(f"unknown format '{to}'", "--to", did_you_mean(to, known))
    return cast("Kind", to)


def _require_no_canaries(source: Source, run_dir: Path) -> None:
    """Makes sure that no model is handed on that was trained on made-up secrets unless somebody says so.

    Raises:
        UserError: it was.
    """
    if source.record.canaries:
        cause = f"the run was trained on {source.record.canaries:,} canaries, made-up secrets that its dataset planted"
        remedy = (
            "Build the dataset without 'canaries' and train the model that is to be used on that; "
            "to export this one all the same, say --with-canaries."
        )
        raise UserError(cause, str(run_dir), remedy)


def _require_apart(out: Path, run_dir: Path, source: Source) -> None:
    """Refuses to write into what is exported, or to replace a folder that it lies in.

    Raises:
        UserError: the folders are not apart.
    """
    for what, folder in (("run", run_dir), ("base model", source.base)):
        one, other = out.resolve(), folder.resolve()
        if one.is_relative_to(other) or other.is_relative_to(one):
            raise UserError(f"the folder of the export and that of the {what} lie within each other", str(out), "Give another --out.")
