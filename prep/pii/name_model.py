"""Names and places found by a model: Presidio's analyser over an English spaCy pipeline, where both are installed."""

import importlib
import importlib.util
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from prep.pii.names import is_medical_term
from prep.pii.reserved import without_surrogates
from prep.pii.spans import PiiKind, PiiSpan

if TYPE_CHECKING:
    from collections.abc import Iterable

_MODELS = ("en_core_web_lg", "en_core_web_md", "en_core_web_sm")
_GET_MODEL = f"python -m spacy download {_MODELS[-1]}"
_POSSESSIVE = re.compile("['\u2019]s$")
_MAX_CHARACTERS = 20_000  # spaCy takes memory by the character; what lies behind is read by the patterns alone


@cache
def spacy_model() -> str | None:
    """Returns the English spaCy model to use, the largest installed; None without one, or without Presidio."""
    if importlib.util.find_spec("presidio_analyzer") is None or importlib.util.find_spec("spacy") is None:
        return None
    return next((name for name in _MODELS if importlib.util.find_spec(name) is not None), None)


def model_unavailable() -> str | None:
    """Returns what to install before names can be found by a model, or None where they can."""
    if spacy_model() is not None:
        return None
    if importlib.util.find_spec("presidio_analyzer") is None:
        return f"names that nothing announces need Presidio and an English model: pip install 'loopwright[pii]', then {_GET_MODEL}"
    return f"names that nothing announces need an English spaCy model: {_GET_MODEL}"


def find_names_by_model(text: str, model: str, known: "Iterable[PiiSpan]") -> list[PiiSpan]:
    """Returns the names (PERSON) and places (LOCATION) of a text that are not known already, eponyms and drugs apart.

    Args:
        text: the text; of a long one its first 20,000 characters are read.
        model: a spaCy pipeline that is installed.
        known: spans that were found otherwise.
    """
    taken = [(span.start, span.end) for span in known]
    spans = []
    for found in _analyser(model).analyze(text[:_MAX_CHARACTERS], language="en", entities=["PERSON", "LOCATION"]):
        kind: PiiKind = "PERSON" if found.entity_type == "PERSON" else "LOCATION"
        # A name stands on one line, and what it possesses is not part of it.
        name = _POSSESSIVE.sub("", text[found.start : found.end].split("\n", maxsplit=1)[0].rstrip())
        end = found.start + len(name)
        is_address = kind == "PERSON" and any(character.isdigit() for character in name)
        is_known = any(found.start < other_end and start < end for start, other_end in taken)
        if name and not is_address and not is_known and not is_medical_term(name, text[end : end + 20]):
            spans.append(PiiSpan(kind, found.start, end))
    return without_surrogates(text, spans)


@cache
def _analyser(model: str) -> Any:
    # Imported by name: it is an optional extra, and no types come with it.
    presidio = importlib.import_module("presidio_analyzer")
    engine = importlib.import_module("presidio_analyzer.nlp_engine").SpacyNlpEngine([{"lang_code": "en", "model_name": model}])
    # Presidio's own way of loading asks the network for a model that was not installed by pip.
    engine.nlp = {"en": importlib.import_module(model).load()}
    return presidio.AnalyzerEngine(nlp_engine=engine, supported_languages=["en"])
