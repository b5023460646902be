"""Pieces of a static HTML page: all text escaped, no script, readable on paper and in the dark."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape

from surecode.errors import InputError

PNG = b"\x89PNG\r\n\x1a\n"

# Nothing is fetched and nothing runs: pictures stand in the file itself.
POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'"
)

STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #ffffff; --quiet: #595959;
  --line: #c8c8c8; --good: #00634a; --bad: #a03c00; --note: #f4f4f4; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e8; --paper: #161616; --quiet: #b0b0b0; --line: #4a4a4a; --good: #5fd6b0;
    --bad: #ffab7a; --note: #242424; }
}
body { margin: 0 auto; max-width: 58rem; padding: 1.5rem; color: var(--ink);
  background: var(--paper); font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin-bottom: .3rem; }
h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; border-bottom: 1px solid var(--line); }
.status { font-size: 1.25rem; font-weight: bold; }
.good { color: var(--good); }
.bad { color: var(--bad); }
.quiet { color: var(--quiet); }
.note { border-left: .3rem solid var(--bad); background: var(--note); padding: .5rem .8rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .8rem 0; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--quiet); padding-bottom: .3rem; }
th, td { border: 1px solid var(--line); padding: .25rem .55rem; text-align: left;
  vertical-align: top; }
thead th { background: var(--note); }
th { font-weight: 600; }
code, pre { font: .85rem/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
pre { white-space: pre-wrap; background: var(--note); padding: .6rem; }
figure { margin: 1rem 0; }
figure img { max-width: 100%; background: #ffffff; }
figcaption { color: var(--quiet); }
@media print {
  :root { color-scheme: light; --ink: #000000; --paper: #ffffff; --quiet: #333333;
    --line: #888888; --good: #000000; --bad: #000000; --note: #ffffff; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  h2, caption { break-after: avoid; }
  tr, figure, li { break-inside: avoid; }
  .wide { overflow: visible; }
  table { font-size: 9pt; }
  th, td { padding: .15rem .35rem; }
}
"""


def page(title: str, body: Iterable[str]) -> str:
    """The whole document; ``body`` is HTML."""
    head = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{text(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
    )
    return head + "\n".join(body) + "\n</main>\n</body>\n</html>\n"


def text(words: str) -> str:
    """Words as HTML between tags."""
    return escape(words, quote=False)


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
    """A table whose first column names the row."""
    head = "".join(f'<th scope="col">{text(name)}</th>' for name in heads)
    lines = []
    for name, *cells in rows:
        found = "".join(f"<td>{text(cell)}</td>" for cell in cells)
        lines.append(f'<tr><th scope="row">{text(name)}</th>{found}</tr>')
    return (
        f'<div class="wide"><table>\n<caption>{text(caption)}</caption>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n" + "\n".join(lines) + "\n</tbody>\n"
        "</table></div>"
    )


def picture(words: str, png: bytes) -> str:
    """A PNG inside the page; ``words`` say what it shows, below it and to those who do not see it.

    Raises `InputError` where the bytes are no PNG: a browser would show nothing and say nothing.
    """
    if not png.startswith(PNG):
        raise InputError("certificate page: a picture is no PNG; give the bytes of a PNG file")
    source = b64encode(png).decode("ascii")
    return (
        f'<figure><img src="data:image/png;base64,{source}" alt="{escape(words)}">'
        f"<figcaption>{text(words)}</figcaption></figure>"
    )
