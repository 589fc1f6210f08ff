"""Where a passage is pointed at on the page that it was published on."""

import re
from urllib.parse import quote

_WHOLE = 60
"""Characters up to which a passage is looked for as a whole; a longer one by its first and last words."""
_WORDS = 5


def web(url: str | None) -> bool:
    """Whether this is an address that may be made a link of.

    >>> web("https://example.org/"), web("javascript:alert(1)"), web(None)
    (True, False, False)
    """
    return url is not None and re.match(r"https?://", url, re.IGNORECASE) is not None


def deep_link(url: str | None, text: str) -> str | None:
    """The address of a page with a fragment that has a browser scroll to `text` and mark it; None without such an address.

    >>> deep_link("https://example.org/direct#e7", "Deux blessés.")
    'https://example.org/direct#e7:~:text=Deux%20bless%C3%A9s.'
    >>> deep_link(None, "Deux blessés."), deep_link("urn:isbn:1", "Deux blessés.")
    (None, None)

    A long text is named by its first and last words, `text=first,last`, which also holds where it fills several paragraphs:
    https://wicg.github.io/scroll-to-text-fragment/.
    """
    if url is None or not web(url):
        return None
    lines = [line for line in (" ".join(line.split()) for line in text.splitlines()) if line]
    if not lines:
        return url
    if len(lines) == 1 and len(lines[0]) <= _WHOLE:
        directive = _encoded(lines[0])
    else:
        first, last = lines[0].split(" ")[:_WORDS], lines[-1].split(" ")[-_WORDS:]
        directive = f"{_encoded(' '.join(first))},{_encoded(' '.join(last))}"
    # The directive belongs to a fragment, and begins one where there is none.
    return f"{url}{'' if '#' in url else '#'}:~:text={directive}"


def _encoded(text: str) -> str:
    """Without the characters that part a directive: a hyphen says what stands before or after."""
    return quote(text, safe="").replace("-", "%2D")
