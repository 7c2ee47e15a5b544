"""What `run.json` says of a run's sketches: all that it takes to sketch another row so that the two can be compared."""

from pydantic import BaseModel, ConfigDict


class InfluenceRecord(BaseModel):
    """The sketches in `influence.parquet`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int
    """Seed of the projection (`train.ledger.projection`)."""
    size: int
    """Numbers of a sketch."""
    steps: list[int]
    """The steps whose weights the rows were sketched with; their checkpoints are in `checkpoints/`."""
    learning_rates: list[float]
    """Mean learning rate of the steps up to each of these, from the one before: what its inner products count for."""
