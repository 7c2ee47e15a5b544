"""What rules may know beyond the rows: the options, the manifest, what reading found, and facts of texts, each computed once."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from prep.config import ExpectConfig
from prep.facts import FactIndex

if TYPE_CHECKING:
    from prep.dataset import Manifest
    from prep.lint.lines import Defect
    from prep.lint.rule import Rule

_MAX_INDEXES = 50_000


@dataclass(frozen=True, slots=True)
class LintOptions:
    """What to look for.

    Attributes:
        select: rule codes or their beginnings; empty means all.
        ignore: rule codes or their beginnings that are not reported.
        model: the model whose tokenizer and limits the token rules use.
        thresholds: `CODE.name` -> value, over a rule's default.
        expect: what is declared of the data.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    model: str | None = None
    thresholds: dict[str, float] = field(default_factory=dict)
    expect: ExpectConfig = field(default_factory=ExpectConfig)


@dataclass
class Context:
    """One lint run.

    Attributes:
        options: what to look for.
        defects: what was found wrong while reading.
        splits: the splits that have rows.
        manifest: of a built dataset; None for foreign files.
        token_limit: the longest row that the model takes, in tokens, where a model is named.
    """

    options: LintOptions
    defects: list["Defect"]
    splits: frozenset[str]
    manifest: "Manifest | None" = None
    token_limit: int | None = None
    _indexes: dict[str, FactIndex] = field(default_factory=dict)

    @property
    def built(self) -> bool:
        """Whether the data is a dataset that `prep build` wrote."""
        return self.manifest is not None

    @cached_property
    def keep(self) -> dict[str, tuple[str, ...]]:
        """Template -> the kinds of fact that its answers must keep, where it says so."""
        return {} if self.manifest is None else {template.name: tuple(template.keep) for template in self.manifest.templates}

    def threshold(self, rule: "Rule", name: str) -> float:
        """Returns a rule's threshold: the config's, else its default."""
        default = next(threshold.default for threshold in rule.thresholds if threshold.name == name)
        return self.options.thresholds.get(f"{rule.code}.{name}", default)

    def facts(self, text: str) -> FactIndex:
        """Returns the facts of a text; rules that ask for the same text share the answer."""
        index = self._indexes.get(text)
        if index is None:
            if len(self._indexes) >= _MAX_INDEXES:
                self._indexes.clear()
            index = self._indexes[text] = FactIndex(text)
        return index
