"""Sites: the places of a text with all codes of one stem that terms propose there.

"Adenocarcinoma" is one site whatever the behaviours and grades that its terms were annotated with
(`surecode.codes.axes`); a code without axes is its own stem. What stands at a site and around it is
named and hashed once, for all models that ask.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from scipy import sparse

from surecode.codes import axes
from surecode.encounter import Code
from surecode.hybrid.found import Found
from surecode.hybrid.place import Place
from surecode.hybrid.sparse import hashed
from surecode.hybrid.surroundings import Surroundings
from surecode.hybrid.tagger import Tagged


@dataclass
class Site:
    """A place and what terms propose there: each code's likeliest place.

    ``exactly`` and ``anywhere`` are what a tagger says of its words, 0 without one.
    """

    start: int
    end: int
    document: str
    system: str
    stem: str
    places: dict[Code, Place] = field(default_factory=dict)
    exactly: float = 0.0
    anywhere: float = 0.0

    @property
    def best(self) -> tuple[Code, Place]:
        """The likeliest code that a term names here, and its place."""
        return min(self.places.items(), key=lambda pair: (-pair[1].probability, pair[0]))

    def is_of(self, code: Code) -> bool:
        """Whether a code is a variant of the site's stem."""
        return (code.system, stem_of(code)) == (self.system, self.stem)


@dataclass(frozen=True)
class Sites:
    """The S sites of what was found in an encounter, and their names, hashed ``[S, 2^18]``."""

    found: Found
    sites: tuple[Site, ...]
    rows: sparse.csr_matrix

    @classmethod
    def of(cls, found: Found) -> Sites:
        """Gather the sites of an encounter; its gold is not read."""
        named = list(_named(found))
        rows = hashed([names for _, names in named])
        return cls(found, tuple(site for site, _ in named), rows)


def _named(found: Found) -> Iterator[tuple[Site, list[str]]]:
    """The sites of an encounter, each with the names of what stands there and around."""
    texts = {d.document_id: Surroundings(d.text) for d in found.encounter.documents}
    sites = _sites(found)
    at: dict[tuple[str, int, int], list[str]] = {}  # several stems may share a place
    for site in sites:
        text, place = texts[site.document], (site.document, site.start, site.end)
        if place not in at:
            at[place] = list(text.names(site.start, site.end))
        inside = any(
            other.document == site.document
            and other.start <= site.start
            and site.end <= other.end
            and other.end - other.start > site.end - site.start
            and other.stem != site.stem
            for other in sites
        )
        yield (
            site,
            [
                *at[place],
                *_said(site),
                *_tagged(site, found.tagged.get(site.document)),
                f"inside:{inside}",
                f"sense:{text.sense(site.start, site.end, site.best[0])}",
            ],
        )


def _sites(found: Found) -> list[Site]:
    sites: dict[tuple[str, int, int, str, str], Site] = {}
    for code in sorted(found.places):
        stem = stem_of(code)
        for place in found.places[code]:
            document = place.spans[0].document_id
            start, end = place.spans[0].start, place.spans[-1].end
            key = (document, start, end, code.system, stem)
            site = sites.setdefault(key, Site(start, end, document, code.system, stem))
            known = site.places.get(code)
            if known is None or place.rank < known.rank:
                site.places[code] = place
    for site in sites.values():
        if (tagged := found.tagged.get(site.document)) is not None:
            site.exactly = tagged.exactly(site.start, site.end)
            site.anywhere = tagged.anywhere(site.start, site.end)
    return [sites[key] for key in sorted(sites)]


def _tagged(site: Site, seen: Tagged | None) -> Iterator[str]:
    """What a tagger says of a site, and of mentions that overlap it otherwise."""
    if seen is None:
        return
    otherwise = seen.otherwise(site.start, site.end)
    chances = {"exactly": site.exactly, "anywhere": site.anywhere, "otherwise": otherwise}
    for name, chance in chances.items():
        yield from _tenths(f"tagged {name}", chance)


def _said(site: Site) -> Iterator[str]:
    """What the terms say of a site."""
    code, place = site.best
    yield f"stem:{site.system}:{site.stem}"
    yield f"category:{site.stem[:3]}"
    yield f"system:{site.system}"
    yield f"match:{place.match}"
    yield f"source:{place.source}"
    yield f"pieces:{min(len(place.spans), 3)}"
    parts = axes.split(code)
    if parts is not None:
        for axis, value in zip(axes.AXES[code.system], parts[1], strict=True):
            yield f"{axis}:{value}"
        yield f"values:{parts[1]}"
        yield f"stem and {parts[1][0]}:{site.stem}"
    total = min(1.0, sum(p.probability for p in site.places.values()))
    yield from _tenths("likely", total)


def _tenths(name: str, chance: float) -> Iterator[str]:
    """A name for each tenth that a chance reaches."""
    yield from (f"{name}:{tenth}" for tenth in range(int(min(9.0, chance * 10)) + 1))


def stem_of(code: Code) -> str:
    """What the variants of a code share: all of it, where it has no axes."""
    parts = axes.split(code)
    return code.value if parts is None else parts[0]
