"""Pages that need nothing but themselves: one HTML file each, with escaped text, inline style and no request to anywhere."""

import base64
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loopwright.console import printable

if TYPE_CHECKING:
    from markupsafe import Markup

_SHARED_DIR = Path(__file__).parent / "pages"


def make_page(template: Path, **values: Any) -> str:
    """Returns the HTML of a page's Jinja template.

    Every value is escaped; the filter `readable` also writes out marks that would turn the direction of the text around them, and
    `embedded` writes a value as JSON that can stand in a `script` element of data, which no policy lets run. The template
    may include what `loopwright/pages` holds, and gets `policy`, which turns its finished style and script into a Content-Security-Policy
    that allows these two and nothing else: text that became markup by mistake could not run.

    Args:
        template: the template's file; its neighbours can be included.
        values: what it shows, by name.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([template.parent, _SHARED_DIR]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["readable"] = printable
    environment.filters["embedded"] = _embedded
    return environment.get_template(template.name).render(values, policy=_policy)


def _policy(style: str, script: str) -> str:
    sources = ["default-src 'none'", "img-src data:", f"style-src '{_digest(style)}'", f"script-src '{_digest(script)}'"]
    return "; ".join([*sources, "base-uri 'none'", "form-action 'none'"])


def _embedded(value: Any) -> "Markup":
    """Returns a value as JSON that holds nothing by which an HTML parser would leave a `script` element, or take it for another."""
    from markupsafe import Markup

    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.translate({ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}))  # noqa: S704 (just made safe)


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode()}"
