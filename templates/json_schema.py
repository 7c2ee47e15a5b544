"""JSON Schemas that stand in the files of strangers: compiled once, and nothing is fetched for them."""

import json
from functools import lru_cache
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from jsonschema_rs import Validator

SHOWN_CHARACTERS = 300
"""Of what the validator says."""
_MAX_BACKTRACKS = 100_000  # of a `pattern` with look-around; all others run in linear time
_MAX_SCHEMAS = 1024  # kept compiled: rows of one file mostly share their tools


@lru_cache(maxsize=_MAX_SCHEMAS)
def compiled_schema(schema: str) -> "Validator | str":
    """Returns a schema's validator, or why it is no schema.

    Args:
        schema: as JSON.
    """
    import jsonschema_rs

    try:
        return jsonschema_rs.validator_for(
            json.loads(schema),
            # A schema in a stranger's file must not make this machine fetch addresses or open files.
            retriever=_refuse_reference,
            pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=_MAX_BACKTRACKS),
            mask="the value",  # messages must not quote the corpus at length
        )
    except jsonschema_rs.ValidationError as error:
        return f"{'.'.join(map(str, error.instance_path)) or 'schema'}: {error.message}"[:SHOWN_CHARACTERS]
    except (ValueError, RecursionError) as error:
        return str(error).splitlines()[0][:SHOWN_CHARACTERS]


def _refuse_reference(uri: str) -> NoReturn:
    raise ValueError(f"{uri} is outside of the schema, and nothing is fetched")
