"""Names and places found by a model: Presidio's analyser over an English spaCy pipeline, where both are installed."""

import importlib
import importlib.util
from functools import cache
from typing import TYPE_CHECKING, Any

from prep.pii.names import is_medical_term
from prep.pii.reserved import without_surrogates
from prep.pii.spans import PiiKind, PiiSpan

if TYPE_CHECKING:
    from collections.abc import Iterable

_MODELS = ("en_core_web_lg", "en_core_web_md", "en_core_web_sm")
_MAX_CHARACTERS = 20_000  # spaCy takes memory by the character; what lies behind is read by the patterns alone


@cache
def spacy_model() -> str | None:
    """Returns the English spaCy model to use, the largest installed; None without one, or without Presidio."""
    if importlib.util.find_spec("presidio_analyzer") is None or importlib.util.find_spec("spacy") is None:
        return None
    return next((name for name in _MODELS if importlib.util.find_spec(name) is not None), None)


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
        name = text[found.start : found.end]
        if is_medical_term(name, text[found.end : found.end + 20]) or any(found.start < end and start < found.end for start, end in taken):
            continue
        kind: PiiKind = "PERSON" if found.entity_type == "PERSON" else "LOCATION"
        spans.append(PiiSpan(kind, found.start, found.end))
    return without_surrogates(text, spans)


@cache
def _analyser(model: str) -> Any:
    # Imported by name: it is an optional extra, and no types come with it.
    presidio = importlib.import_module("presidio_analyzer")
    settings = {"nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": model}]}
    engine = importlib.import_module("presidio_analyzer.nlp_engine").NlpEngineProvider(nlp_configuration=settings).create_engine()
    return presidio.AnalyzerEngine(nlp_engine=engine, supported_languages=["en"])
