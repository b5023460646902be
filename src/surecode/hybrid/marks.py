"""Which places people would mark for a code, and for which variant of it, from the words around.

A term says that "adenocarcinoma" is 8140/3; that "grado II" or "metastásico" beside it makes it
8140/32 or 8140/6, and that a form's heading is never marked, is learned here. A *site* is a place
of a text with all codes of one stem that terms propose there (`surecode.codes.axes`; a code without
axes is its own stem). Logistic regressions with few weights say of a site

    P(marked | site)            people marked a code of the stem there, about
    P(exact | site)             they marked exactly these words
    P(value | site, marked)     of each axis, one against the rest, made to sum to one

and a variant's probability is the product over the axes. They learn from documents in which people
marked anything at all; without any, places are as likely as their terms.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate, pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surecode.codes import axes
from surecode.encounter import Code, Encounter, Span
from surecode.errors import InputError
from surecode.hybrid.found import Found
from surecode.hybrid.place import Place
from surecode.hybrid.sparse import SparseModel, SparseModels, hashed
from surecode.hybrid.surroundings import Surroundings

# Inverse strength of the penalty, by loss in cross-validation inside train and tune of CodiEsp and
# CANTEMIST (of .05 to 2).
_STRENGTH, _AXIS_STRENGTH = 0.3, 1.0
_LEAST = 0.05  # of a variant's probability; less is not proposed

_Gold = tuple[Code, tuple[Span, ...]]  # one mention, in pieces


@dataclass(frozen=True, slots=True)
class Marked:
    """One place of a code.

    Attributes:
        place: with P(people mark exactly it for the code).
        chance: P(people mark the code there, about).
        variant: P(the code | people mark some code of the stem there).
        stem: P(people mark some code of the stem there, about).
    """

    place: Place
    chance: float
    variant: float
    stem: float


@dataclass
class _Site:
    """A place and what terms propose there: each code's likeliest place."""

    start: int
    end: int
    document: str
    system: str
    stem: str
    places: dict[Code, Place] = field(default_factory=dict)

    @property
    def best(self) -> tuple[Code, Place]:
        return min(self.places.items(), key=lambda pair: (-pair[1].probability, pair[0]))

    def is_of(self, code: Code) -> bool:
        """Whether a code is a variant of the site's stem."""
        return (code.system, _stem(code)) == (self.system, self.stem)


@dataclass(frozen=True)
class Marks:
    """What was learned; ``axes`` by system the models of each value of each axis."""

    marked: SparseModel
    exact: SparseModel
    axes: Mapping[str, tuple[Mapping[str, SparseModel], ...]]

    @classmethod
    def learn(cls, read: Sequence[Found]) -> Marks | None:
        """Learn from the marked documents of encounters; None where none is marked.

        What is found in them must come from terms that never saw their gold.
        """
        sites = [
            (site, names, gold)
            for found in read
            if found.encounter.evidence
            for gold in [_gold(found.encounter)]
            for site, names in _named(found)
            if gold.get(site.document)
        ]
        if not sites:
            return None
        x = hashed([names for _, names, _ in sites])
        truth = [_truth(site, gold) for site, _, gold in sites]
        marked = SparseModel.fit(x, [code is not None for code in truth], _STRENGTH)
        same = [_is_exact(site, gold) for site, _, gold in sites]
        exact = SparseModel.fit(x, same, _STRENGTH)
        models = {}
        for system in axes.AXES:
            rows = [
                (row, parts[1])
                for row, code in enumerate(truth)
                if code is not None and code.system == system and (parts := axes.split(code))
            ]
            if rows:
                some, values = x[[row for row, _ in rows]], [value for _, value in rows]
                models[system] = tuple(
                    {
                        value: SparseModel.fit(some, [v == value for v in axis], _AXIS_STRENGTH)
                        for value in sorted(set(axis))
                    }
                    for axis in zip(*values, strict=True)
                )
        return cls(marked, exact, models)

    def __call__(self, found: Found) -> dict[Code, list[Marked]]:
        """The places of each code that is proposed, composed ones among them."""
        named = list(_named(found))
        if not named:
            return {}
        chances = self._models(hashed([names for _, names in named]))
        proposed: defaultdict[Code, list[Marked]] = defaultdict(list)
        for (site, _), row in zip(named, chances, strict=True):
            stem, exact = float(row[0]), float(row[1])
            for code, share in self._variants(site, row):
                place = replace(site.places.get(code) or site.best[1], marked=exact * share)
                proposed[code].append(Marked(place, stem * share, share, stem))
        return dict(proposed)

    def _variants(self, site: _Site, row: NDArray[np.float64]) -> Iterator[tuple[Code, float]]:
        """Codes of a site and P(code | site, marked); those of terms however unlikely."""
        if site.system not in self.axes or axes.split(site.best[0]) is None:
            yield from ((code, 1.0) for code in sorted(site.places))
            return
        of_axes = [
            dict(zip(models, row[first:last] / row[first:last].sum(), strict=True))
            for models, (first, last) in zip(
                self.axes[site.system], self._columns[site.system], strict=True
            )
        ]
        for values in product(*of_axes):
            share = float(np.prod([of[value] for of, value in zip(of_axes, values, strict=True)]))
            code = axes.join(site.system, site.stem, values)
            if share >= _LEAST or code in site.places:
                yield code, share

    @cached_property
    def _models(self) -> SparseModels:
        return SparseModels(
            (
                self.marked,
                self.exact,
                *(m for of in self.axes.values() for axis in of for m in axis.values()),
            )
        )

    @cached_property
    def _columns(self) -> dict[str, list[tuple[int, int]]]:
        """Of each axis the columns of its values among the models."""
        sizes = [len(axis) for of in self.axes.values() for axis in of]
        spans = iter(pairwise(accumulate(sizes, initial=2)))
        return {system: [next(spans) for _ in of] for system, of in self.axes.items()}

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "marked": self.marked.to_dict(),
            "exact": self.exact.to_dict(),
            "axes": {
                system: [{value: m.to_dict() for value, m in axis.items()} for axis in of]
                for system, of in self.axes.items()
            },
        }

    @classmethod
    def from_dict(cls, values: Any) -> Marks:
        """The inverse of :meth:`to_dict`; raises `InputError` on anything else."""
        try:
            read = cls(
                SparseModel.from_dict(values["marked"]),
                SparseModel.from_dict(values["exact"]),
                {
                    system: tuple(
                        {value: SparseModel.from_dict(m) for value, m in axis.items()}
                        for axis in of
                    )
                    for system, of in values["axes"].items()
                },
            )
            sound = all(
                system in axes.AXES and len(of) == len(axes.AXES[system]) and all(of)
                for system, of in read.axes.items()
            )
        except (KeyError, TypeError, AttributeError):
            sound = False
        if not sound:
            raise InputError("marks: damaged; run `surecode train` again")
        return read


def _named(found: Found) -> Iterator[tuple[_Site, list[str]]]:
    """The sites of an encounter, each with the names of what stands there and around."""
    texts = {d.document_id: Surroundings(d.text) for d in found.encounter.documents}
    sites = _sites(found)
    for site in sites:
        names = list(texts[site.document].names(site.start, site.end))
        inside = any(
            other.document == site.document
            and other.start <= site.start
            and site.end <= other.end
            and other.end - other.start > site.end - site.start
            and other.stem != site.stem
            for other in sites
        )
        yield site, [*names, *_said(site), f"inside:{inside}"]


def _sites(found: Found) -> list[_Site]:
    sites: dict[tuple[str, int, int, str, str], _Site] = {}
    for code in sorted(found.places):
        stem = _stem(code)
        for place in found.places[code]:
            document = place.spans[0].document_id
            start, end = place.spans[0].start, place.spans[-1].end
            key = (document, start, end, code.system, stem)
            site = sites.setdefault(key, _Site(start, end, document, code.system, stem))
            known = site.places.get(code)
            if known is None or place.rank < known.rank:
                site.places[code] = place
    return [sites[key] for key in sorted(sites)]


def _said(site: _Site) -> Iterator[str]:
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
    yield from (f"likely:{tenth}" for tenth in range(int(min(9.0, total * 10)) + 1))


def _gold(encounter: Encounter) -> dict[str, list[_Gold]]:
    """What people marked, by document."""
    pieces: defaultdict[tuple[str, Code, int], list[Span]] = defaultdict(list)
    for item in encounter.evidence:
        pieces[item.span.document_id, item.code, item.mention].append(item.span)
    gold: defaultdict[str, list[_Gold]] = defaultdict(list)
    for (document, code, _), spans in pieces.items():
        gold[document].append((code, tuple(spans)))
    return gold


def _truth(site: _Site, gold: Mapping[str, Sequence[_Gold]]) -> Code | None:
    """The code of the stem that people marked at a site, the first if there are several."""
    for code, spans in gold.get(site.document, ()):
        if site.is_of(code) and any(s.start < site.end and site.start < s.end for s in spans):
            return code
    return None


def _is_exact(site: _Site, gold: Mapping[str, Sequence[_Gold]]) -> bool:
    """Whether people marked a code of the stem from the first character of a site to its last."""
    return any(
        site.is_of(code)
        and min(s.start for s in spans) == site.start
        and max(s.end for s in spans) == site.end
        for code, spans in gold.get(site.document, ())
    )


def _stem(code: Code) -> str:
    parts = axes.split(code)
    return code.value if parts is None else parts[0]
