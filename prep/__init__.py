"""Sources -> examples -> split -> rendered dataset on disk; lint; fixes."""

from loopwright.siblings import require_siblings

require_siblings("templates")
