"""Which places people would mark for a code, and for which variant of it, from the words around.

A term says that "adenocarcinoma" is 8140/3; that "grado II" or "metastásico" beside it makes it
8140/32 or 8140/6, and that a form's heading is never marked, is learned here. Logistic regressions
with few weights say of a site (`sites`)

    P(marked | site)            people marked a code of the stem there, about
    P(exact | site)             they marked exactly these words
    P(value | site, marked)     of each axis, one against the rest, made to sum to one

and a variant's probability is the product over the axes. They learn from encounters in which people
marked anything at all; without any, places are as likely as their terms.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate, pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from surecode.codes import axes
from surecode.encounter import Code, Encounter, Span
from surecode.errors import InputError
from surecode.hybrid.place import Place
from surecode.hybrid.sites import Site, Sites, stem_of
from surecode.hybrid.sparse import SparseModel, SparseModels

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
        exactly, anywhere: what a tagger says of its words (`sites.Site`).
    """

    place: Place
    chance: float
    variant: float
    stem: float
    exactly: float = 0.0
    anywhere: float = 0.0


@dataclass(frozen=True)
class Marks:
    """What was learned; ``axes`` by system the models of each value of each axis."""

    marked: SparseModel
    exact: SparseModel
    axes: Mapping[str, tuple[Mapping[str, SparseModel], ...]]

    @classmethod
    def learn(cls, read: Sequence[Sites]) -> Marks | None:
        """Learn from encounters in which people marked anything; None where there are none.

        What is found in them must come from terms that never saw their gold. Sites of a code that
        an encounter has without a mark teach nothing.
        """
        rows, pairs = [], []
        for one in read:
            gold = _gold(one.found.encounter)
            bare = _bare(one.found.encounter)
            kept = [n for n, s in enumerate(one.sites) if gold and (s.system, s.stem) not in bare]
            rows.append(one.rows[kept])
            pairs += [(one.sites[n], gold) for n in kept]
        if not pairs:
            return None
        x = sparse.vstack(rows, format="csr")
        truth = [_truth(site, gold) for site, gold in pairs]
        marked = SparseModel.fit(x, [code is not None for code in truth], _STRENGTH)
        exact = SparseModel.fit(x, [_is_exact(site, gold) for site, gold in pairs], _STRENGTH)
        models = {}
        for system in axes.AXES:
            known = [
                (row, parts[1])
                for row, code in enumerate(truth)
                if code is not None and code.system == system and (parts := axes.split(code))
            ]
            if known:
                some, values = x[[row for row, _ in known]], [value for _, value in known]
                models[system] = tuple(
                    {
                        value: SparseModel.fit(some, [v == value for v in axis], _AXIS_STRENGTH)
                        for value in sorted(set(axis))
                    }
                    for axis in zip(*values, strict=True)
                )
        return cls(marked, exact, models)

    def __call__(self, read: Sites) -> dict[Code, list[Marked]]:
        """The places of each code that is proposed, composed ones among them."""
        proposed: defaultdict[Code, list[Marked]] = defaultdict(list)
        for site, row in zip(read.sites, self._models(read.rows), strict=True):
            stem, exact = float(row[0]), float(row[1])
            for code, share in self._variants(site, row):
                place = replace(site.places.get(code) or site.best[1], marked=exact * share)
                proposed[code].append(
                    Marked(place, stem * share, share, stem, site.exactly, site.anywhere)
                )
        return dict(proposed)

    def _variants(self, site: Site, row: NDArray[np.float64]) -> Iterator[tuple[Code, float]]:
        """Codes of a site and P(code | site, marked); those of terms however unlikely.

        A code with a value that nobody marked is as likely as its terms are among all of the site.
        """
        if site.system not in self.axes or axes.split(site.best[0]) is None:
            yield from ((code, 1.0) for code in sorted(site.places))
            return
        of_axes = [
            dict(zip(models, (row[first:last] / row[first:last].sum()).tolist(), strict=True))
            for models, (first, last) in zip(
                self.axes[site.system], self._columns[site.system], strict=True
            )
        ]
        shares = {
            axes.join(site.system, site.stem, values): math.prod(
                of[value] for of, value in zip(of_axes, values, strict=True)
            )
            for values in product(*of_axes)
        }
        total = sum(place.probability for place in site.places.values())
        strange = {
            code: place.probability / total
            for code, place in sorted(site.places.items())
            if code not in shares
        }
        known = 1.0 - sum(strange.values())
        for code, share in shares.items():
            if share * known >= _LEAST or code in site.places:
                yield code, share * known
        yield from strange.items()

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


def _gold(encounter: Encounter) -> dict[str, list[_Gold]]:
    """What people marked, by document."""
    gold: defaultdict[str, list[_Gold]] = defaultdict(list)
    for code, spans in encounter.mentions:
        for document in dict.fromkeys(span.document_id for span in spans):
            gold[document].append((code, tuple(s for s in spans if s.document_id == document)))
    return gold


def _bare(encounter: Encounter) -> set[tuple[str, str]]:
    """Systems and stems of gold codes without a mark."""
    marked = {item.code for item in encounter.evidence}
    return {(code.system, stem_of(code)) for code in encounter.code_set - marked}


def _truth(site: Site, gold: Mapping[str, Sequence[_Gold]]) -> Code | None:
    """The code of the stem that people marked at a site, the first if there are several."""
    for code, spans in gold.get(site.document, ()):
        if site.is_of(code) and any(s.start < site.end and site.start < s.end for s in spans):
            return code
    return None


def _is_exact(site: Site, gold: Mapping[str, Sequence[_Gold]]) -> bool:
    """Whether people marked a code of the stem from the first character of a site to its last."""
    return any(
        site.is_of(code)
        and min(s.start for s in spans) == site.start
        and max(s.end for s in spans) == site.end
        for code, spans in gold.get(site.document, ())
    )
