"""Why a template of promptsource is not converted."""


class Refusal(Exception):
    """A template that cannot be converted; the message says exactly why."""
