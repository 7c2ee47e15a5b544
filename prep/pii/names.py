"""Names of people and dates of birth, where the words around them say what they are.

No list of names and no model: a title ("Dr. Jane Doe"), an introduction ("my name is Jane Doe"), a field ("Patient: Jane Doe"), a
signature. Names that stand bare in a sentence take a model; see rule PII502 for that level.
"""

import re
from collections.abc import Iterator
from itertools import islice

import polars as pl

from prep.pii.reserved import without_surrogates
from prep.pii.spans import Finder, PiiSpan, before, settle, words
from prep.text.number_words import MONTH_PATTERN
from prep.text.prefilter import sieve

_TITLE = (
    r"(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Professor|Doctor|Nurse|Herr|Frau|Monsieur|Madame|Mme|Mlle|Se\u00f1or|Se\u00f1ora|Signor|Signora)\b\.?"
)
_PART = (
    r"(?:(?:O['\u2019]|D['\u2019]|Mc|Mac)?[A-Z\u00c0-\u00de][a-z\u00df-\u024f]{1,30}(?:[-'\u2019][A-Z\u00c0-\u00de]?[a-z\u00df-\u024f]{1,30}){0,2}"
    r"|[A-Z]\.(?! ?[a-z]))"
)
_PARTICLE = r"(?:(?:van|von|de|der|den|da|di|la|le|del|bin|al) ){0,2}"
_NAME = rf"{_PART}(?: {_PARTICLE}{_PART}){{0,3}}"
_TITLED = re.compile(rf"\b{_TITLE} (?P<value>{_NAME})")
_INTRODUCED = re.compile(
    rf"(?:(?i:\b(?:my|her|his|their|your|the patient's) (?:full |first |last )?name(?: is|'s|:))"
    rf"|\b(?:I am|I'm|[Tt]his is|[Mm]e llamo|[Jj]e m'appelle|[Ii]ch hei\u00dfe|[Mm]ein Name ist) (?={_PART} {_PART}))"
    rf" ?(?P<value>{_NAME})"
)
_FIELD = re.compile(
    rf"(?:^|[\n|;{{,])[\"' ]{{0,3}}(?:(?i:(?:patient|full|first|last|customer|client|employee|contact|cardholder|account holder)?[ _]?name"
    rf"|signed(?: by)?|cc)|(?P<speaker>(?i:patient|attending(?: physician)?)))[\"']? ?[:=] ?[\"']?(?P<value>{_NAME})"
)
# Who else speaks in a transcript in which "Patient:" is a speaker's mark: whole sentences stand behind theirs.
_PARTNER = re.compile(
    r"(?:^|[\n|])[ \"'*\[(]{0,3}(?i:doctor|dr\.?|physician|provider|clinician|nurse|therapist|interviewer"
    r"|guest(?:[_ ]?(?:family|clinician))?|family|mother|father|daughter|son|wife|husband|caregiver|assistant|agent|receptionist"
    r"|speaker ?[0-9]{1,2})[ _]?[0-9]{0,2}"
    r"[\])*\"']{0,3} ?:[^\n|]*[.?!\u2026][\"' \t\r]{0,3}(?:[\n|]|\Z)"
)
_MARK = re.compile(r"(?:^|[\n|])[\"' ]{0,3}(?i:patient|attending(?: physician)?) ?:")
_ASKED = re.compile(  # what a bare name answers
    r"(?i)(?:\bname\b|\bwho (?:are you|am i (?:speaking|talking))|\band you are\b)[^\n?]{0,60}\?[ \"'|]{0,3}$"
)
_ENDS_A_TURN = re.compile(r"[.!]?[\"']?[ \t\r]*(?:[\n|]|\Z)")
_TELLS_OF = r"(?:is|was|has|had|reports?|reported|denie[sd]|presents?|presented|states?|stated|complain(?:s|ed))\b"
_GOES_ON = re.compile(rf"[.!?\u2026]|,(?! ?[0-9A-Z])|[ \t]+(?!{_TELLS_OF})[a-z]")
_WORD = re.compile(r"[^\W\d_]{2,}")
_SIGNATURE = re.compile(
    rf"(?i:\b(?:regards|sincerely|best wishes|cheers|yours truly|yours faithfully)),?\s{{1,3}}(?P<value>{_NAME})\s*(?=\n|\Z)"
)
_MONTH = rf"{MONTH_PATTERN}\.?"
FULL_DATE = (
    r"(?:(?:19|20)[0-9]{2}[-/.][01]?[0-9][-/.][0-3]?[0-9]|[0-3]?[0-9](?P<mark>[-/.])[0-3]?[0-9](?P=mark)(?:19|20)?[0-9]{2}"
    rf"|[0-3]?[0-9](?:st|nd|rd|th)? (?:of )?{_MONTH},? (?:19|20)[0-9]{{2}}|{_MONTH} [0-3]?[0-9](?:st|nd|rd|th)?,? (?:19|20)[0-9]{{2}})"
    r"(?![0-9])"
)
_BORN = re.compile(
    rf"(?i)\b(?:born(?: on)?|d\.?o\.?b\.?|date of birth|birth ?date|birthday)\b[\"']?(?: is| was)?[ :=\"'(]{{0,4}}(?P<value>{FULL_DATE})"
)
# Diseases, signs and devices that bear a name, whose name names no patient.
EPONYMS = words(
    """
    addison alzheimer apgar asperger babinski baker barrett bartholin basedow behcet bell bence bishop bowen braxton broca brown
    burkitt charcot chagas cheyne colles conn coombs coumadin crohn cushing doppler down dupuytren ebstein ehlers eisenmenger epstein
    ewing fallot fanconi foley friedreich gaucher gilbert glasgow gleason goodpasture gram graves guillain hashimoto heimlich henoch
    hirschsprung hodgkin homan horner huntington jakob kaposi kawasaki klinefelter korsakoff kussmaul legionnaire lou lyme marfan
    meckel meniere moro mohs morton munchausen murphy osgood osler paget pap parkinson peyronie pott prader prinzmetal raynaud reiter
    reye reynaud romberg rorschach sjogren sj\u00f6gren stevens still swan sydenham takayasu tay tourette trendelenburg turner virchow
    weber wegener wernicke whipple wilms wilson wolff zollinger
    """
)
_NOT_NAMES = words(
    """
    the and but for you your with this that very here sure sorry just not from glad happy going calling writing trying looking
    currently actually really also still so an no yes on in at to is it my we he she they please thanks thank hello hi dear
    yeah yep yup yah nah nope okay ok alright well right mhm mmhm hm hmm mm uh uhm um huh ah oh ooh ow ouch wow hey never always
    sometimes maybe perhaps probably possibly usually often exactly correct absolutely definitely certainly true good great fine bad
    nothing none neither both only about around since once twice every today yesterday tomorrow tonight there here what when where why
    who how which if because as of or
    """
)
_BRANDS = frozenset({"pepper", "scholl", "clean", "bean", "right", "oz", "who", "strange", "evil", "pib"})
_DRUG = re.compile(
    r"(?i)[a-z]{3,}(?:mab|nib|statin|pril|olol|azole|cillin|mycin|sartan|dipine|oxacin|vir|profen|caine|pam|lam|zine|tidine|formin|gliptin"
    r"|gliflozin|parin|dronate|cycline|setron|triptan|phylline|barbital|sone|solone|thiazide|semide)$"
)
_DRUG_NAMES = words(
    """
    advil aleve ambien aspirin ativan benadryl claritin coumadin cymbalta eliquis flonase glucophage humira humulin insulin keppra
    klonopin lantus lasix lexapro lipitor lyrica motrin neurontin nexium norco norvasc novolog ozempic paxil percocet plavix prilosec
    prozac seroquel singulair spiriva symbicort synthroid tylenol ventolin viagra vicodin wellbutrin xanax xarelto zantac zocor zofran
    zoloft
    """
)
_DISEASE_AFTER = re.compile(
    r"(?i)['\u2019]?s?[- ](?:disease|syndrome|sign|test|score|scale|lymphoma|sarcoma|catheter|stain|palsy|esophagus|fracture|contracture"
    r"|cyst|phenomenon|thyroiditis|tetralogy|manoeuvre|maneuver|procedure|operation|criteria|classification|reflex|respiration|nodes?|smear)"
)


def find_names(text: str, *, surrogates: bool = False) -> list[PiiSpan]:
    """Returns the names (PERSON) and dates of birth (DATE_OF_BIRTH) that their surroundings announce, in order of appearance."""
    spans = settle(text, _FINDERS)
    return spans if surrogates else without_surrogates(text, spans)


def may_hold_name(expr: pl.Expr) -> pl.Expr:
    """Returns a boolean expression that is true wherever `find_names` could find something; null gives null."""
    return expr.str.contains(_SIEVE)


_SIEVE = sieve(
    rf"\b{_TITLE}[ \x{{A0}}\x{{2000}}-\x{{200A}}\x{{202F}}\x{{3000}}][\pLu]",
    r"(?i:\bname(?: is|'s|\W{0,3}[:=\x{FF1A}])|\bi am\b|\bi'm\b|\bthis is\b|\bme llamo\b|\bm'appelle\b|\bhei\x{DF}e\b|\bname ist\b)",
    r"(?i:patient\W{0,2}[:=\x{FF1A}]|signed|attending|\bcc\W{0,2}[:=\x{FF1A}]|regards|sincerely|best wishes|cheers|yours)",
    r"(?i:\bborn\b|\bd\.?o\.?b\b|birth)",
)


def is_medical_term(name: str, after: str = "") -> bool:
    """Whether what looks like a name is an eponym ("Parkinson", "Crohn's disease") or a drug."""
    words = re.findall(r"[^\W\d_]+", name.lower().replace("'s", "").replace("\u2019s", ""))
    if _DISEASE_AFTER.match(after):
        return True
    return bool(words) and all(word in EPONYMS or word in _DRUG_NAMES or _DRUG.fullmatch(word) for word in words)


def _people(text: str) -> Iterator[PiiSpan]:
    in_transcript: bool | None = None  # looked at where it is asked for
    for pattern in (_TITLED, _INTRODUCED, _FIELD, _SIGNATURE):
        for match in pattern.finditer(text):
            name = match["value"]
            words = name.split(" ")
            if pattern is _FIELD and match["speaker"]:
                in_transcript = _is_transcript(text) if in_transcript is None else in_transcript
                if _is_said(text, match, in_transcript=in_transcript):
                    continue
            if words[0].lower() in _NOT_NAMES or words[0].lower().removesuffix(".") in _BRANDS:
                continue
            while len(words) > 1 and words[-1].lower() in _NOT_NAMES:
                words.pop()
            name = " ".join(words)
            if name.endswith(("'s", "\u2019s")):
                name = name[:-2]
            # "Mr. Brown" is a person even though there is a Brown's syndrome: only what follows tells.
            if len(name) > 2 and not _DISEASE_AFTER.match(text, match.start("value") + len(name)):
                yield PiiSpan("PERSON", match.start("value"), match.start("value") + len(name))


def _is_transcript(text: str) -> bool:
    """Whether "Patient:" is a speaker's mark: it comes again, or somebody else speaks."""
    return len(list(islice(_MARK.finditer(text), 2))) > 1 or _PARTNER.search(text) is not None


def _is_said(text: str, match: re.Match[str], *, in_transcript: bool) -> bool:
    """Whether what stands behind "Patient:" is what the patient says and not who that is.

    In a transcript it is a name only if that was asked for, or if the whole turn is a first and a last name. Elsewhere one word with
    which a sentence goes on is none.
    """
    end = match.end("value")
    is_full = len(_WORD.findall(match["value"])) > 1
    if in_transcript:
        return not (_ENDS_A_TURN.match(text, end) and (is_full or _ASKED.search(text[max(0, match.start() - 120) : match.start()])))
    return not is_full and _GOES_ON.match(text, end) is not None


def _births(text: str) -> Iterator[PiiSpan]:
    for match in _BORN.finditer(text):
        if not re.search(r"(?i)(?:still|new|air|stub)$", before(text, match.start(), 6)):
            yield PiiSpan("DATE_OF_BIRTH", *match.span("value"))


_FINDERS: tuple[Finder, ...] = (_births, _people)
