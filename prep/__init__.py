"""Sources -> examples -> split -> rendered dataset on disk; lint; fixes."""

from typing import TYPE_CHECKING

from loopwright.siblings import require_siblings

require_siblings("templates")

__all__ = ["BuildConfig", "BuildResult", "ExportResult", "LintReport", "build_dataset", "export_dataset", "lint_dataset"]

if TYPE_CHECKING:
    from prep.api import build_dataset, export_dataset, lint_dataset
    from prep.build.run import BuildResult
    from prep.config import BuildConfig
    from prep.lint.base.report import LintReport
    from prep.targets.write import ExportResult
else:
    from loopwright.library import lazy_names

    __getattr__ = lazy_names(
        __name__,
        {
            "BuildConfig": "prep.config",
            "BuildResult": "prep.build.run",
            "ExportResult": "prep.targets.write",
            "LintReport": "prep.lint.base.report",
            "build_dataset": "prep.api",
            "export_dataset": "prep.api",
            "lint_dataset": "prep.api",
        },
    )
