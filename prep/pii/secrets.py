"""Secrets in text: keys and tokens by the shapes that their providers give them, passwords and keys by the words before them.

The shapes are those that the providers publish, for scanners among others. What has no shape of its own is taken only where a name such
as `api_key` announces it and its letters are as evenly spread as chance would have them (Shannon 1948).
"""

import bisect
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from prep.text.prefilter import sieve


@dataclass(frozen=True, slots=True)
class SecretSpan:
    """One secret.

    Attributes:
        provider: whose it is, or what it is: "GitHub token", "password".
        start: where it begins in the text, in characters.
        end: where it ends, exclusive.
        certain: its shape is a provider's and no other's.
    """

    provider: str
    start: int
    end: int
    certain: bool = True


_KEY = "[A-Za-z0-9_-]"
_WORD = "[A-Za-z0-9]"
_HEX = "[0-9a-f]"
# What the shape is a provider's alone, behind the literals without one of which it is not looked
# for. No unbounded repetition: a hostile text is read in linear time.
_SHAPES: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("AWS access key", ("AKIA", "ASIA", "ABIA", "ACCA"), r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}"),
    ("Google API key", ("AIza",), rf"AIza{_KEY}{{35}}"),
    ("Google OAuth token", ("ya29.",), rf"ya29\.{_KEY}{{20,400}}"),
    ("Google OAuth secret", ("GOCSPX-",), rf"GOCSPX-{_KEY}{{28}}"),
    ("Azure client secret", ("7Q~", "8Q~"), rf"{_WORD}{{3}}[78]Q~[A-Za-z0-9_~.-]{{31,34}}"),
    ("GitHub token", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), rf"gh[pousr]_{_WORD}{{36,255}}"),
    ("GitHub token", ("github_pat_",), rf"github_pat_{_WORD}{{22}}_{_WORD}{{59}}"),
    ("GitLab token", ("gl",), rf"gl(?:pat|ptt|dt|rt|cbt|ft|soat|imt|agent)-{_KEY}{{20,100}}"),
    ("Anthropic key", ("sk-ant-",), rf"sk-ant-[a-z0-9]{{3,12}}-{_KEY}{{20,150}}"),
    ("OpenRouter key", ("sk-or-",), rf"sk-or-v1-{_HEX}{{64}}"),
    ("OpenAI key", ("sk-",), rf"sk-(?:proj|svcacct|admin|None)-{_KEY}{{20,200}}"),
    ("OpenAI key", ("T3BlbkFJ",), rf"sk-{_WORD}{{20}}T3BlbkFJ{_WORD}{{20}}"),
    ("Hugging Face token", ("hf_", "api_org_"), r"(?:hf_[A-Za-z0-9]{30,50}|api_org_[A-Za-z0-9]{34})"),
    ("Slack token", ("xox",), r"xox[abeoprs]-[A-Za-z0-9-]{10,250}"),
    ("Slack token", ("xapp-",), r"xapp-[0-9]-[A-Z0-9]{5,20}-[0-9]{8,20}-[0-9a-f]{32,80}"),
    ("Slack webhook", ("hooks.slack.com",), r"https://hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9+/]{20,120}"),
    (
        "Discord webhook",
        ("api/webhooks/",),
        rf"https://(?:ptb\.|canary\.)?discord(?:app)?\.com/api/webhooks/[0-9]{{15,25}}/{_KEY}{{50,100}}",
    ),
    ("Stripe key", ("k_live_", "k_test_"), rf"[sr]k_(?:live|test)_{_WORD}{{16,247}}"),
    ("Stripe webhook secret", ("whsec_",), rf"whsec_{_WORD}{{24,64}}"),
    ("Twilio key", ("SK",), rf"SK{_HEX}{{32}}"),
    ("SendGrid key", ("SG.",), rf"SG\.{_KEY}{{16,32}}\.{_KEY}{{32,64}}"),
    ("Mailgun key", ("key-",), rf"key-{_HEX}{{32}}"),
    ("Mailchimp key", ("-us",), rf"{_HEX}{{32}}-us[0-9]{{1,2}}"),
    ("npm token", ("npm_",), rf"npm_{_WORD}{{36}}"),
    ("PyPI token", ("pypi-AgE",), rf"pypi-AgE{_KEY}{{40,250}}"),
    ("RubyGems key", ("rubygems_",), rf"rubygems_{_HEX}{{48}}"),
    ("Docker token", ("dckr_",), rf"dckr_(?:pat|oat)_{_KEY}{{24,40}}"),
    ("DigitalOcean token", ("_v1_",), rf"do[opr]_v1_{_HEX}{{64}}"),
    ("Telegram bot token", (":AA",), rf"[0-9]{{8,10}}:AA{_KEY}{{32,34}}"),
    ("Databricks token", ("dapi",), rf"dapi{_HEX}{{32}}(?:-[0-9])?"),
    ("Shopify token", ("shp",), r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
    ("Square token", ("sq0", "EAAA"), rf"(?:sq0(?:atp|csp|idp)-{_KEY}{{22,43}}|EAAA{_KEY}{{60}})"),
    ("Groq key", ("gsk_",), rf"gsk_{_WORD}{{40,60}}"),
    ("Replicate token", ("r8_",), rf"r8_{_WORD}{{37}}"),
    ("Perplexity key", ("pplx-",), rf"pplx-{_WORD}{{40,60}}"),
    ("xAI key", ("xai-",), rf"xai-{_WORD}{{70,90}}"),
    ("Linear key", ("lin_api_",), rf"lin_api_{_WORD}{{32,48}}"),
    ("Notion token", ("secret_", "ntn_"), rf"(?:secret_{_WORD}{{43}}|ntn_{_WORD}{{40,50}})"),
    ("Vault token", ("hvs.", "hvb.", "hvr."), rf"hv[sbr]\.{_KEY}{{24,150}}"),
    ("Doppler token", ("dp.",), rf"dp\.(?:pt|st|ct|sa)\.{_WORD}{{40,48}}"),
    ("Postman key", ("PMAK-",), rf"PMAK-{_HEX}{{24}}-{_HEX}{{34}}"),
    ("New Relic key", ("NRAK-",), r"NRAK-[A-Z0-9]{27}"),
    ("Airtable token", ("pat",), rf"pat{_WORD}{{14}}\.{_HEX}{{64}}"),
    ("Supabase token", ("sbp_",), rf"sbp_{_HEX}{{40}}"),
    ("Figma token", ("figd_",), rf"figd_{_KEY}{{36,50}}"),
    ("Grafana token", ("glsa_",), rf"glsa_{_WORD}{{32}}_[0-9a-fA-F]{{8}}"),
    ("age key", ("AGE-SECRET-KEY-1",), r"AGE-SECRET-KEY-1[0-9A-Z]{58}"),
    ("JSON web token", ("eyJ",), rf"eyJ{_KEY}{{10,2000}}\.{_KEY}{{10,4000}}\.{_KEY}{{10,2000}}"),
    ("Azure storage key", ("AccountKey=",), r"AccountKey=[A-Za-z0-9+/]{86}=="),
)
_SHAPED = tuple((provider, literals, re.compile(rf"(?<![A-Za-z0-9_])(?:{shape})(?![A-Za-z0-9])")) for provider, literals, shape in _SHAPES)
_LESS_CERTAIN = frozenset({"JSON web token", "Azure client secret", "Mailchimp key"})
_PRIVATE_KEY = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_PRIVATE_KEY_END = re.compile(r"-----END (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_GENERIC_KEY = re.compile(
    r"(?<![A-Za-z0-9_-])(?:sk|pk|api|key|tok|token|secret|live|prod)[-_](?P<value>[A-Za-z0-9_-]{16,200})(?![A-Za-z0-9])"
)
_CONNECTION = re.compile(r"(?i)(?<![a-z0-9])[a-z][a-z0-9+]{1,15}://[^/@\s:\"'<>]{0,200}:(?P<value>[^/@\s\"'<>]{1,200})@[a-z0-9\[]")
_HEADER = re.compile(r"(?i)\b(?:bearer|basic|token)\s{1,3}(?P<value>[A-Za-z0-9_.~+/-]{20,500}={0,2})(?![A-Za-z0-9])")
_NAME = (
    r"(?:pass(?:word|wd|phrase|code)|pwd|secret|token|api[ _-]?key|access[ _-]?key|private[ _-]?key|auth[ _-]?key|secret[ _-]?key"
    r"|encryption[ _-]?key|signing[ _-]?key|account[ _-]?key|client[ _-]?secret|credential|licen[cs]e[ _-]?key|\bkey)s?"
)
_NAME_WORDS = ("pass", "pwd", "secret", "token", "key", "credential")
_ASSIGNED = re.compile(
    rf"(?i)(?P<name>{_NAME})(?P<rest>[a-z0-9_]{{0,20}})(?P<join>[\"']?\s{{0,3}}(?:=>|:=|={{1,2}}|:)\s{{0,3}}|(?:\s(?:is|was|to))?:?\s{{1,2}})"
    # Looked at without being taken: in "token: api_key = ..." what follows the first name is another.
    r"(?=(?P<quote>[\"'`]?)(?P<value>[^\s\"'`,;<>(){}\[\]]{6,300}))"
)
_WEAK_PASSWORD = re.compile(r"(?:[A-Za-z]+[0-9._-]*|[0-9]{1,4}|[0-9./:-]+)[.!?]?")
# `{"password": "..."}` as a tool's whole answer, "your new password": made up for the text, on request.
_GENERATED = re.compile(
    r"(?i)(?:\b(?:new|generated?|random|strong|secure|suggested|[0-9]+-character)\W{0,3}(?:[a-z]{1,12} )?|^\s?\{\s{0,9}[\"'])$"
)
_PLACEHOLDER = re.compile(
    r"(?i)example|your|placeholder|x{4}|changeme|change[_-]me|dummy|sample|\*{3}|\.{3}|\u2026|redacted|insert|replace|masked|hidden|<|\$\{|%\("
    r"|0{8}|\{\{|process\.env|environ|getenv"
)
_ENTROPY = {"hex": 2.7, "other": 3.2}


def find_secrets(text: str) -> list[SecretSpan]:
    """Returns the secrets in a text, in order of appearance; no two overlap. Placeholders (`YOUR_API_KEY`, `sk-xxxx`) are none."""
    spans: list[SecretSpan] = []
    taken = bytearray(len(text))
    for find in (_private_keys, _shaped, _connections, _headers, _generic_keys, _assigned):
        for span in find(text):
            if taken.find(1, span.start, span.end) < 0:
                taken[span.start : span.end] = b"\1" * (span.end - span.start)
                spans.append(span)
    return sorted(spans, key=lambda span: span.start)


def may_hold_secret(expr: pl.Expr) -> pl.Expr:
    """Returns a boolean expression that is true wherever `find_secrets` could find something; null gives null."""
    return expr.str.contains(_SIEVE)


_SIEVE = sieve(
    r"(?i:pass(?:word|wd|phrase|code)|\bpwd|secret|token|key|credential|bearer|basic\s)",
    r"A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16}|AIza|ya29\.|GOCSPX-|[78]Q~|gh[pousr]_|github_pat_|gl[a-z]{2,5}-[A-Za-z0-9_-]{20}|sk-|hf_|api_org_",
    r"xox[abeoprs]-|xapp-|hooks\.slack\.com|api/webhooks/|[srp]k_|whsec_|SK[0-9a-f]{32}|SG\.|[0-9a-f]{32}-us|npm_|pypi-AgE|rubygems_",
    r"dckr_|do[opr]_v1_|[0-9]{8}:AA|dapi[0-9a-f]{32}|shp(?:at|ca|pa|ss)_|sq0|EAAA|gsk_|r8_",
    r"pplx-|xai-|lin_api_|ntn_|hv[sbr]\.|dp\.(?:pt|st|ct|sa)\.|PMAK-|NRAK-|pat[A-Za-z0-9]{14}\.|sbp_|figd_|glsa_|AGE-SECRET|eyJ|AccountKey",
    r"-----BEGIN|(?:^|[^A-Za-z0-9_-])(?:api|tok|live|prod|pk)[-_][A-Za-z0-9_-]{16}|://[^/@\s:]{0,200}:[^/@\s]{1,200}@",
)


def is_placeholder(value: str) -> bool:
    """Whether a text stands for a secret instead of being one."""
    return bool(_PLACEHOLDER.search(value)) or len(set(value)) <= 3


def entropy(value: str) -> float:
    """Returns the Shannon entropy of a text's characters, in bits a character (Shannon 1948)."""
    counts = Counter(value).values()
    return -sum(count / len(value) * math.log2(count / len(value)) for count in counts)


def is_random(value: str) -> bool:
    """Whether a text looks drawn by chance: at least 16 characters, letters and digits, evenly spread."""
    if len(value) < 16 or not (any(c.isdigit() for c in value) and any(c.isalpha() for c in value)):
        return False
    least = _ENTROPY["hex"] if re.fullmatch("[0-9a-fA-F]+", value) else _ENTROPY["other"]
    return entropy(value) >= least


def _is_mixed(value: str) -> bool:
    """Whether letters alone look drawn by chance: half of them are capitals, and not a fifth as in `NamesLikeThis`."""
    share = sum(character.isupper() for character in value) / len(value)
    return len(value) >= 20 and entropy(value) >= _ENTROPY["other"] and 0.3 <= share <= 0.7


def _private_keys(text: str) -> Iterator[SecretSpan]:
    if "-----BEGIN " not in text:
        return
    ends = [match.end() for match in _PRIVATE_KEY_END.finditer(text)]
    position = 0
    while begin := _PRIVATE_KEY.search(text, position):
        later = bisect.bisect(ends, begin.end())
        stop = ends[later] if later < len(ends) and ends[later] - begin.end() < 20_000 else min(begin.end() + 400, len(text))
        body = text[begin.end() : begin.end() + 400]
        position = begin.end()
        # Headers without a key, one after another, are passed over at once.
        if "-----" not in body[:20] and len(body.strip()) >= 20 and not is_placeholder(body) and is_random("".join(body.split())[:100]):
            position = stop
            yield SecretSpan("private key", begin.start(), stop)


def _shaped(text: str) -> Iterator[SecretSpan]:
    for provider, literals, pattern in _SHAPED:
        if not any(literal in text for literal in literals):
            continue
        for match in pattern.finditer(text):
            if not is_placeholder(match[0]) and (any(character.isdigit() for character in match[0]) or _is_mixed(match[0])):
                yield SecretSpan(provider, *match.span(), provider not in _LESS_CERTAIN)


def _connections(text: str) -> Iterator[SecretSpan]:
    if "://" not in text:
        return
    for match in _CONNECTION.finditer(text):
        if not is_placeholder(match["value"]) and not re.fullmatch(r"(?i)pass(?:word|wd)?|pwd|secret|token|[$%{\[].*", match["value"]):
            yield SecretSpan("password in a web address", *match.span("value"), certain=False)


def _headers(text: str) -> Iterator[SecretSpan]:
    for match in _HEADER.finditer(text):
        if not is_placeholder(match["value"]) and is_random(match["value"]):
            yield SecretSpan("authorization header", *match.span("value"), certain=False)


def _generic_keys(text: str) -> Iterator[SecretSpan]:
    for match in _GENERIC_KEY.finditer(text):
        if not is_placeholder(match[0]) and is_random(match["value"]) and re.search("[0-9][A-Za-z]|[A-Za-z][0-9]", match["value"]):
            yield SecretSpan("API key", *match.span(), certain=False)


def _assigned(text: str) -> Iterator[SecretSpan]:
    folded = text.casefold()
    if not any(word in folded for word in _NAME_WORDS):  # most texts have none, and the pattern is ten times as slow
        return
    for match in _ASSIGNED.finditer(text):
        value = match["value"].rstrip(".,:!?")
        name = match["name"].lower()
        if is_placeholder(value):
            continue
        if _GENERATED.search(text[max(match.start() - 40, 0) : match.start()]):
            continue
        what = "password" if name.startswith(("pass", "pwd")) else "key or token"
        signed = bool(re.search("[=:]", match["join"]))
        if is_random(value) or (what == "password" and _is_password(value, signed=signed, spoken=bool(match["join"].split()))):
            yield SecretSpan(what, match.start("value"), match.start("value") + len(value), certain=False)


def _is_password(value: str, *, signed: bool, spoken: bool) -> bool:
    """A word, a number or a path is none that can be told; a mixture of letters, digits and signs after `=`, `:` or "is" is."""
    if not (signed or spoken) or "/" in value or "\\" in value or _WEAK_PASSWORD.fullmatch(value):
        return bool(signed and re.fullmatch(r"(?=.*[A-Z])(?=.*[a-z])[A-Za-z]{3,20}[0-9]{2,8}", value))
    return any(c.isdigit() for c in value) and any(c.isalpha() for c in value) and "." not in value[:-1]
