"""Pieces of a static HTML page: all text escaped, no script, readable on paper and in the dark."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence

from surecode.errors import InputError
from surecode.page.characters import attribute, text
from surecode.page.style import STYLE

PNG = b"\x89PNG\r\n\x1a\n"

# Nothing is fetched and nothing runs: pictures stand in the file itself.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
POLICY_WITH_PICTURES = POLICY.replace("; ", "; img-src data:; ", 1)


def page(
    title: str,
    body: Iterable[str],
    *,
    before: Iterable[str] = (),
    after: Iterable[str] = (),
    style: str = "",
    policy: str = POLICY_WITH_PICTURES,
) -> str:
    """The whole document.

    Args:
        title: plain words.
        body: HTML of the landmark ``main``.
        before: HTML in front of ``main``, such as a ``header``.
        after: HTML behind ``main``, such as a ``footer``.
        style: CSS of this kind of page, behind that of every page.
        policy: what the browser may fetch and run.
    """
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{text(title)}</title>\n<style>{STYLE}{style}</style>\n</head>\n<body>",
            *before,
            '<main id="main">',
            *body,
            "</main>",
            *after,
            "</body>\n</html>\n",
        ]
    )


def paragraph(words: str, kind: str = "") -> str:
    """One paragraph; ``kind`` is a class of `STYLE`."""
    return f'<p class="{kind}">{text(words)}</p>' if kind else f"<p>{text(words)}</p>"


def section(heading: str, parts: Iterable[str]) -> str:
    """A section of HTML parts under its heading."""
    return f"<section>\n<h2>{text(heading)}</h2>\n" + "\n".join(parts) + "\n</section>"


def items(words: Iterable[str]) -> str:
    """A list of plain texts."""
    return "<ul>\n" + "\n".join(f"<li>{text(item)}</li>" for item in words) + "\n</ul>"


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column names the row; where it is too wide it scrolls by itself."""
    head = "".join(f'<th scope="col">{text(name)}</th>' for name in heads)
    lines = []
    for name, *cells in rows:
        found = "".join(f"<td>{text(cell)}</td>" for cell in cells)
        lines.append(f'<tr><th scope="row">{text(name)}</th>{found}</tr>')
    return (
        f'<div class="wide"><table>\n<caption><span>{text(caption)}</span></caption>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n" + "\n".join(lines) + "\n</tbody>\n"
        "</table></div>"
    )


def picture(words: str, png: bytes) -> str:
    """A PNG inside the page; ``words`` say what it shows, below it and to those who do not see it.

    Raises `InputError` where the bytes are no PNG: a browser would show nothing and say nothing.
    """
    if not png.startswith(PNG):
        raise InputError("page: a picture is no PNG; give the bytes of a PNG file")
    source = b64encode(png).decode("ascii")
    return (
        f'<figure><img src="data:image/png;base64,{source}" alt="{attribute(words)}">'
        f"<figcaption>{text(words)}</figcaption></figure>"
    )
