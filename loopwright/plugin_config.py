"""The `plugins:` section of a config file: which files hold extensions, by kind."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from loopwright.config import load_section
from loopwright.plugins import PluginFile, find_plugins


class PluginsConfig(BaseModel):
    """Python files of your own, in the config's folder or below; each is run when its kind is first asked for, and named with its hash."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: tuple[str, ...] = ()
    """Files with lint rules (subclasses of `prep.lint.base.rule.Rule`); their codes stand wherever a code may."""
    metrics: tuple[str, ...] = ()
    """Files with metrics (`evals.metrics.base.Metric`), for `evals: metrics:` and `--metrics`."""
    systems: tuple[str, ...] = ()
    """Files with systems under test (`evals.systems.base.System`), for `evals: systems:` and `--systems`."""
    objectives: tuple[str, ...] = ()
    """Files with training objectives (`train.objectives.base.Objective`), for `train: objective:`."""
    methods: tuple[str, ...] = ()
    """Files with training methods (`train.methods.base.Method`), for `train: method:`."""
    trackers: tuple[str, ...] = ()
    """Files with trackers (`train.trackers.base.Tracker`), for `train: track:` and `--track`."""
    sources: tuple[str, ...] = ()
    """Files with source formats (`prep.sources.source.Source`), for `format:` of a source."""
    shapes: tuple[str, ...] = ()
    """Files with shapes of records (`RecordShape` for builds, `SampleShape` for lint, or both), for `format:` of a source."""
    targets: tuple[str, ...] = ()
    """Files with export targets (`prep.targets.profile.Profile`), for `--target`."""

    def find(self, config_path: Path) -> tuple[PluginFile, ...]:
        """Returns the files, hashed and not yet run.

        Args:
            config_path: the config that names them.

        Raises:
            UserError: a file is not there, is no Python file, or lies outside of the config's folder.
        """
        return find_plugins({kind: paths for kind, paths in self if paths}, config_path)


def plugins_of(config_path: Path | None) -> tuple[PluginFile, ...]:
    """Returns the files that a config names; none without a config.

    Raises:
        UserError: the config cannot be read, or names a file that may not be used.
    """
    return () if config_path is None else load_section(config_path, "plugins", PluginsConfig).find(config_path)
