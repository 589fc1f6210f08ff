"""The pages that people read: made on the server from templates, with what browsers fetch beside them.

They work without JavaScript; with it, what `page.js` fetches are parts of the same templates.
"""

import hashlib
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

_FOLDER = Path(__file__).parent
_MEDIA = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

FILES: dict[str, tuple[bytes, str]] = {
    path.name: (path.read_bytes(), _MEDIA[path.suffix]) for path in sorted(_FOLDER.iterdir()) if path.suffix in _MEDIA
}
"""What browsers fetch beside the pages, by name: the bytes and their media type."""
VERSION = hashlib.blake2b(b"".join(content for content, _ in FILES.values()), digest_size=6).hexdigest()
"""Stands in the addresses of these, which can be kept for ever for that."""

HEADERS = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            "style-src 'self'",
            "script-src 'self'",
            "img-src 'self'",
            "connect-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept-Language",
    # A page that is gone back to is shown as it was left; one that is asked for again is made again.
    "Cache-Control": "private, no-cache",
}

# Autoescape is on by name, for every template: entries are shown as text, whatever they hold.
_environment = Environment(
    loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


def file(name: str) -> str:
    """The address of one of FILES."""
    return f"/page/{VERSION}/{name}"


_environment.globals["file"] = file


def template(name: str) -> Template:
    """A template of this folder."""
    return _environment.get_template(name)
