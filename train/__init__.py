"""Model loading, the training loop, objectives, the training ledger."""

from loopwright.siblings import require_siblings

require_siblings("templates", "prep")
