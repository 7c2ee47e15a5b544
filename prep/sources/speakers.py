"""Speakers of names that nobody knows, with the roles that a source's config gives them."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from prep.sources.columns import columns_of
from prep.sources.message_keys import KEPT_KEYS, ROLE_KEYS, TEXT_KEYS
from prep.sources.raw_file import RawFile
from prep.sources.source import LiteralText, RawRows, to_text

_NUMBER = re.compile(r"[\s_-]*\d+$")
_OTHERS = "*"


class Speakers:
    """Gives the messages within a text of JSON the roles of their speakers.

    Args:
        roles: speaker -> role, without regard to case; `*` is every other speaker, and `Butler` is `Butler_2` as well.
    """

    def __init__(self, roles: Mapping[str, str]) -> None:
        self._roles = {name.strip().lower(): role for name, role in roles.items()}
        self._unmet = {name.strip().lower(): name for name in roles if name != _OTHERS}

    def named(self, text: str | None) -> str | None:
        """Returns the text with the roles in it; as it was where no message in it has one of the speakers."""
        if text is None or not text.startswith(("[", "{")):
            return text
        try:
            value = json.loads(text)
            return to_text(value) if self._name(value) else text
        except (ValueError, RecursionError):
            return text

    def unmet_notice(self, file: RawFile) -> list[str]:
        """Returns what to say of speakers that no message had."""
        names = ", ".join(f"'{name}'" for name in self._unmet.values())
        return [f"no message of '{file.path.name}' is by a speaker {names}, as 'speakers:' calls them."] if names else []

    def _name(self, value: Any) -> bool:
        if isinstance(value, list):
            return any(list(map(self._name, value)))  # all of them, not up to the first
        if not isinstance(value, dict):
            return False
        key = next((key for key in ROLE_KEYS if value.get(key) is not None), None)
        if key is None or not any(name in value for name in (*TEXT_KEYS, *KEPT_KEYS)):
            return any(list(map(self._name, value.values())))
        role = self._role_of(value[key])
        if role is not None:
            value["role" if key == "speaker" else key] = role  # a speaker's name stays beside it, for templates that say who speaks
        return role is not None

    def _role_of(self, speaker: Any) -> str | None:
        if not isinstance(speaker, str):
            return None
        name = speaker.strip().lower()
        known = next((one for one in (name, _NUMBER.sub("", name)) if one in self._roles), _OTHERS)
        self._unmet.pop(known, None)
        return self._roles.get(known)


def with_roles(batches: Iterator[RawRows], file: RawFile) -> Iterator[RawRows]:
    """Adds the columns in which messages have speakers of the source's `speakers:`, with their roles."""
    speakers = Speakers(file.options.speakers)
    for rows in batches:
        added = {name: column.alias(name) for name, column in columns_of(rows.added).items()}
        held = columns_of(rows.frame) | columns_of(rows.added)
        for name in rows.columns:
            if (named := _named(rows, name, held[name], speakers)) is not None:
                added[name] = named
        yield RawRows(rows.frame, rows.rejected, pl.DataFrame(list(added.values())), rows.unread)
    file.notices.extend(speakers.unmet_notice(file))


def _named(rows: RawRows, name: str, column: pl.Series, speakers: Speakers) -> pl.Series | None:
    """Returns a column with the roles in it; None where no message of it has one of the speakers. A text is no message."""
    if not column.str.contains(r"^[\[{]").any():
        return None
    values = (record[name] for _, record in rows.records([name]))
    named = pl.Series(name, [value if isinstance(value, LiteralText) else speakers.named(value) for value in values], pl.String)
    return None if named.equals(column, null_equal=True) else named
