"""Which duplicates leave the dataset, and the clusters that they were found in."""

from collections.abc import Callable, Iterator

import polars as pl

from prep.build.near_duplicates import near_duplicates
from prep.build.row_store import lazy_frame, repeated_values
from prep.build.split import key_input
from prep.config import DedupConfig
from prep.dataset.splits import SPLIT_PRIORITY
from prep.sources.rows import ROW_ID, SOURCE, SPLIT
from prep.sources.source import LINE
from prep.text.normalise import hash_column, number_column
from templates.template import Template

# One row a row that is like another: which, because of which, how like, and why it leaves.
CLUSTER_SCHEMA = pl.Schema(
    {
        "row_id": pl.String(),
        "source": pl.String(),
        "line": pl.Int64(),
        "survivor": pl.String(),  # row id of the one that stays
        "survivor_place": pl.String(),  # its source:line
        "similarity": pl.Float64(),  # 1 for exact copies, else Jaccard of word pairs
        "reason": pl.String(),  # duplicate, near_duplicate, near_eval
    }
)
_REASONS = {"duplicate": "says the same as", "near_eval": "is near the evaluation row at", "near_duplicate": "is near"}
_WORTH = pl.col(SPLIT).cast(pl.Enum(SPLIT_PRIORITY)).to_physical().alias("worth")

Frames = Callable[[], Iterator[pl.DataFrame]]


def find_duplicates(frames: Frames, schema: pl.Schema, templates: list[Template], config: DedupConfig, ledger_name: str) -> pl.DataFrame:
    """Returns the rows that are to leave (`CLUSTER_SCHEMA`), as far as the config asks for it.

    Rows that people added for training leave in any case where they are near an evaluation row.

    Args:
        frames: yields the rows that can be used, with their split; called more than once.
        schema: of the rows.
        templates: the templates; what they use is what is compared.
        config: what to look for.
        ledger_name: the source name of added rows.
    """
    exact = pl.DataFrame(schema=CLUSTER_SCHEMA)
    if config.exact:
        fields = {name for template in templates for name in template.header.inputs if name in schema}
        exact = _exact_duplicates(frames, sorted(fields))
    gone = exact["row_id"].implode()
    rest = lazy_frame(frames, schema).filter(~pl.col(ROW_ID).is_in(gone)) if exact.height else lazy_frame(frames, schema)
    near = near_duplicates(rest, templates[0].input_fields, ledger_name, config.near)
    return pl.concat([exact, near.select(CLUSTER_SCHEMA.names()).cast(CLUSTER_SCHEMA)])


def duplicate_detail() -> pl.Expr:
    """Returns the expression that says of a row of `CLUSTER_SCHEMA` why it leaves."""
    return pl.concat_str(pl.col("reason").replace_strict(_REASONS, return_dtype=pl.String), pl.lit(" "), "survivor_place")


def _exact_duplicates(frames: Frames, fields: list[str]) -> pl.DataFrame:
    """Returns the rows whose fields say the same as another's, but for the survivor of each such cluster.

    The survivor is the first copy in test, else in validation, else in train, so that an evaluation row is never lost to its copy.
    """
    # First only a number a row: of millions of rows, those whose number stands twice are few.
    numbers = pl.concat([frame.select(number_column(key_input(fields), 0).alias("number")).to_series() for frame in frames()])
    repeated = repeated_values(numbers).implode()
    candidates = []
    first = 0
    for frame in frames() if len(repeated.item()) else ():
        rows = frame.filter(numbers[first : first + frame.height].is_in(repeated)).rechunk()
        place = pl.concat_str(SOURCE, pl.lit(":"), LINE)
        key = hash_column(key_input(fields)).alias("key")
        candidates.append(rows.select(key, _WORTH, row_id=ROW_ID, source=SOURCE, line=LINE, place=place))
        first += frame.height
    if not candidates:
        return pl.DataFrame(schema=CLUSTER_SCHEMA)
    order = ("worth", "order")
    return (
        pl.concat(candidates)
        .with_row_index("order")
        .with_columns(
            survivor=pl.col("row_id").sort_by(order).first().over("key"), survivor_place=pl.col("place").sort_by(order).first().over("key")
        )
        .filter(pl.col("row_id") != pl.col("survivor"))
        .with_columns(similarity=pl.lit(1.0), reason=pl.lit("duplicate"))
        .select(CLUSTER_SCHEMA.names())
    )
