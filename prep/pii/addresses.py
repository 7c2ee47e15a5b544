"""Addresses on the net: e-mail, web, IP."""

import ipaddress
import re
from collections.abc import Iterator

from prep.pii.spans import DIGIT, PiiKind, PiiSpan, before, words

SIEVES = (
    r"[\pL\pN_%+-][@\x{FF20}][\pL\pN]",
    r"(?i:(?:https?|ftp)://|www\.)",
    r"(?i:[a-z][+a-z]{1,15}://[^/@\s]{1,100}@)",
    rf"{DIGIT}{{1,3}}(?:[.\x{{FF0E}}]{DIGIT}{{1,3}}){{3}}",
    r"[0-9A-Fa-f]{0,4}[:\x{FF1A}][0-9A-Fa-f]{0,4}[:\x{FF1A}][0-9A-Fa-f]{0,4}[:\x{FF1A}]",
    r"(?i:(?:fe80|f[cd][0-9a-f]{2}|[23][0-9a-f]{3})::)",
    r"(?i:[\[(] ?at ?[\])])",
    r"(?i:[a-z0-9]\.(?:com|org|net|edu|gov|info|co|ac|io|dev|app|eu|de|fr|uk|nl|ch|es|se|pl|cz|jp|cn|br|ca|au|nz|za)\b)",
)

# Letters of the alphabets of Europe; a Chinese or Japanese word before an address is no part of it.
_LETTER = r"A-Za-z0-9\u00c0-\u024f\u0370-\u03ff\u0400-\u04ff"
_EMAIL = re.compile(
    rf"(?<![{_LETTER}_.%+-])[{_LETTER}_][{_LETTER}_.%+'-]{{0,63}}@[{_LETTER}][{_LETTER}-]{{0,62}}(?:\.[{_LETTER}-]{{1,63}}){{0,4}}"
    rf"\.(?P<tld>[A-Za-z\u00c0-\u024f\u0370-\u03ff\u0400-\u04ff]{{2,24}}|xn--[a-z0-9-]{{2,40}})(?![{_LETTER}_@])"
)
_IN_CREDENTIALS = re.compile(r"://[^\s/@]{0,60}$")
_NO_ONES = re.compile(
    r"(?i)(?:your?|my)[._-]?(?:name|e?mail|user(?:name)?|id)?\d?@.*|[^@]*@(?:your|my)[._-]?(?:domain|company|email|site|mail)\..*"
    r"|(?:user(?:name)?|e?mail|someone|recipient|sender|receiver|name|example|test|foo|bar|to|from)\d?@(?:example|domain|e?mail|company|test|foo|bar)\..*"
)
_SPELT_EMAIL = re.compile(
    r"(?i)(?<![\w.%+-])[a-z0-9][a-z0-9._%+-]{0,63} ?[\[(] ?at ?[\])] ?[a-z0-9-]{1,63}"
    r"(?:(?: ?[\[(] ?dot ?[\])] ?|\.| dot )[a-z0-9-]{2,63}){1,4}(?!\w)"
)
# `icon@2x.png`, `theme@main.css`: what follows the @ is a file.
_FILE_ENDINGS = words(
    """
    png jpg jpeg gif svg webp css scss js ts html md json yaml yml pdf py txt xml csv
    """
)
_URL = re.compile(
    r"(?i)(?<![a-z0-9])(?:(?:https?|ftp)://|www\.)[^\s<>\"'`\u201c\u201d\u2018\u2019|\\^{}\u3000-\u3002\uff08-\uff0c]{1,2000}"
)
_URL_CREDENTIALS = re.compile(
    r"(?i)(?<![a-z0-9])[a-z][a-z0-9+]{1,15}://[^/@\s:\"'<>]{0,200}:(?P<password>[^/@\s\"'<>]{1,200})@[^\s<>\"'`|\\^{}]{1,2000}"
)
# A bare domain is told from a missing space after a full stop and from a file name by its ending; endings that are also English words or
# file types (`.it`, `.is`, `.me`, `.py`, `.rs`) count only below a second level (`.co.it`), all in small letters.
_DOMAIN = re.compile(
    r"(?<![\w@.%+/:-])(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?\.){1,4}"
    r"(?:com|org|net|edu|gov|info|io|dev|app|eu|de|fr|uk|nl|ch|es|se|pl|cz|jp|cn|br|ca|au|nz|za|(?:com?|ac|org|net|gov)\.[a-z]{2})"
    r"(?![\w@-]|\.[\w])(?:/[^\s<>\"'`|\\^{}]{0,500})?"
)
_NO_DOMAIN = re.compile(r"(?i)(?:[a-z]|asp|vb|ado|ml|system|dot|e\.g|i\.e)\.(?:net|io|dev|app|es|de)$")
_LEADING_DIGITS_ONLY = re.compile(r"[0-9.]+[a-z]*$")
_PLACEHOLDER = re.compile(r"(?i)^(?:pass(?:word|wd)?|pwd|secret|token|user|xxx+|\*+|example\w*|[<\[{$].*)$")
_IP4 = re.compile(r"(?<![A-Za-z0-9_.-])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![A-Za-z0-9_-]|/[0-9]|\.[0-9])")
_IP6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}(?:(?:[0-9]{1,3}\.){3}[0-9]{1,3}|[0-9A-Fa-f]{0,4})(?![\w:]|/[0-9]|\.[0-9])")
_IP6_SHORT = re.compile(r"(?i)(?:fe80|f[cd][0-9a-f]{2}|[23][0-9a-f]{3})::[0-9a-f]{1,4}")
_VERSION_BEFORE = re.compile(
    r"(?i)(?:\bv(?:er(?:sion)?s?)?\.?|\brel(?:ease)?|\bbuild|\bfirmware|\bdriver|\bupdate|\bpatch|\bsection|\bchapter|\bclause|\barticle"
    r"|\bfig(?:ure)?\.?|\btable|\bwindows|\bchrome|\bfirefox|\bsafari|/|\u00a7)[ :#]{0,2}$"
)
_IP_CUE = re.compile(r"(?i)\b(?:ip(?:v4)?|address|host|server|ping|ssh|gateway|dns|subnet|from)\b[^\n]{0,20}$")


def find_credentials(text: str) -> Iterator[PiiSpan]:
    """Finds web addresses and connection strings that carry a user and a password."""
    if "://" not in text:
        return
    for match in _URL_CREDENTIALS.finditer(text):
        if not _PLACEHOLDER.match(match["password"]):
            yield PiiSpan("URL_CREDENTIALS", match.start(), match.start() + len(_trimmed(match[0])))


def find_emails(text: str) -> Iterator[PiiSpan]:
    """Finds e-mail addresses, those spelt `anna [at] example [dot] com` among them."""
    if "@" in text:
        for match in _EMAIL.finditer(text):
            ending = match["tld"]
            if match[0].startswith("git@") or ending.lower() in _FILE_ENDINGS or ".." in match[0] or _NO_ONES.fullmatch(match[0]):
                continue
            # "ticket@kiosk.Valid" lacks a space; in `ftp://name:password@host` it is the password that stands before the @.
            if ending in {ending.lower(), ending.upper()} and not _IN_CREDENTIALS.search(before(text, match.start(), 66)):
                yield PiiSpan("EMAIL_ADDRESS", *match.span())
    if "[" in text or "(" in text:
        for match in _SPELT_EMAIL.finditer(text):
            yield PiiSpan("EMAIL_ADDRESS", *match.span())


def find_urls(text: str) -> Iterator[PiiSpan]:
    """Finds web addresses: with a scheme, with `www.`, and bare domains where the ending is a domain's beyond doubt."""
    kind: PiiKind = "URL"
    for match in _URL.finditer(text):
        url = _trimmed(match[0])
        if "." in url.partition("://")[2] or url.lower().startswith("www.") or "localhost" in url:
            yield PiiSpan(kind, match.start(), match.start() + len(url))
    for match in _DOMAIN.finditer(text):
        domain = _trimmed(match[0])
        host = domain.partition("/")[0]
        # "Stop.De facto" is a missing space; "GitHub.com" is a domain.
        ending = host.rpartition(".")[2]
        if ending == ending.lower() and not _NO_DOMAIN.fullmatch(host) and not _LEADING_DIGITS_ONLY.fullmatch(host):
            yield PiiSpan(kind, match.start(), match.start() + len(domain))


def _trimmed(matched: str) -> str:
    """Returns a web address without the punctuation of the sentence that it stands in."""
    url = matched.rstrip(".,;:!?)]*_~")
    if url.count("(") > url.count(")") and matched[len(url) :].startswith(")"):
        url += ")"
    return url


def find_ips(text: str) -> Iterator[PiiSpan]:
    """Finds IPv4 and IPv6 addresses; versions, section numbers, networks (`/24`) and the machine's own address are none."""
    if text.count(".") >= 3:
        for match in _IP4.finditer(text):
            # "1.2.3.4" is rather a section; an address of such small numbers is announced as one.
            small = all(len(octet) == 1 for octet in match[0].split("."))
            if not small or _IP_CUE.search(before(text, match.start(), 30)):
                yield from _checked(text, match)
    if text.count(":") >= 2:
        for match in _IP6.finditer(text):
            if match[0].count(":") > 2 or _IP6_SHORT.fullmatch(match[0]):
                yield from _checked(text, match)


def _checked(text: str, match: re.Match[str]) -> Iterator[PiiSpan]:
    try:
        address = ipaddress.ip_address(match[0])
    except ValueError:
        return
    if not (address.is_loopback or address.is_unspecified or _VERSION_BEFORE.search(before(text, match.start(), 16))):
        yield PiiSpan("IP_ADDRESS", *match.span())
