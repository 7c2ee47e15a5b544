"""What a finished run was trained on, opened again."""

from collections.abc import Sequence
from pathlib import Path

from loopwright.errors import UserError
from prep.dataset.manifest import Dataset
from train.data.mixture import Mixture
from train.runs.record import RunRecord


def dataset_of(record: RunRecord, dataset_dirs: Sequence[Path]) -> Dataset:
    """Opens what a finished run was trained on; which folder is which dataset of a mixture, its key says.

    Raises:
        UserError: it is another dataset, or another build of it; or of a mixture not all are given.
    """
    mixture = record.mixture
    if mixture is None:
        if len(dataset_dirs) > 1:
            raise UserError(
                "the run was trained on one dataset, and several are given", remedy=f"Give that one: --dataset {record.dataset}"
            )
        dataset = Dataset.open(dataset_dirs[0])
        if dataset.manifest.key != record.dataset_key:
            cause = "the run was trained on another dataset, or on another build of it"
            raise UserError(cause, str(dataset_dirs[0]), f"Give the one that it names: --dataset {record.dataset}")
        return dataset
    remedy = f"Give those that it names: {' '.join(f'--dataset {one.path}' for one in mixture.datasets.values())}"
    left = {folder: Dataset.open(folder).manifest.key for folder in dataset_dirs}
    paths: dict[str, Path] = {}
    for name, one in mixture.datasets.items():
        found = next((folder for folder, key in left.items() if key == one.key), None)
        if found is None:
            raise UserError(f"the run was trained on '{name}' too, which is not given, or is another build of it", one.path, remedy)
        paths[name] = found
        del left[found]
    if left:
        raise UserError("the run was trained on a mixture without this dataset", str(next(iter(left))), remedy)
    # An epoch takes as many examples of each as it did in the run, however that number came about.
    weights = {name: float(one.per_epoch) for name, one in mixture.datasets.items()}
    replayed = frozenset(name for name, one in mixture.datasets.items() if one.replayed)
    again = sum(weights[name] for name in replayed) / mixture.epoch_size
    return Mixture(paths, weights, epoch_size=mixture.epoch_size, replay=again, replayed=replayed).open()
