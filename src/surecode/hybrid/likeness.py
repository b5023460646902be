"""How likely a code is by what terms say of it and by how near sentences come to its wordings.

Three linear models over the same features: of known codes that a term names, of known codes that
none names, and of codes that training never saw. Codes without a wording in the tables keep what
terms alone say.

Legend: M described codes.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surecode.codes.systems import category
from surecode.encounter import Code
from surecode.errors import InputError
from surecode.hybrid.absent import Absent
from surecode.hybrid.linear import LinearModel
from surecode.hybrid.statistics import Statistics
from surecode.hybrid.titles import Near
from surecode.lexicon.abbreviations import abbreviations_hash

FEATURES = (
    "log-odds by terms",
    "score of the best sentence",
    "cosine",
    "log place among the sentence's codes",
    "log rank among all codes",
    "likeliest sibling by terms",
    "log encounters with the category",
    "log share of the chapter",
    "characters of the code",
)
NO_SIBLING = -6.0
_UNNAMED = -6.0  # by terms, of a code that training never saw and no title names
# Codes that training never saw are judged where they are among so many; the rest are too many.
NEAREST = 400
# Fewer gold codes that training never saw teach less than known ones that are taken for such.
_FEWEST = 30
# Of the codes that are not gold, one in so many teaches: those that no term names are many.
_EVERY = {"named": 1, "known": 10, "strange": 10, "taken": 10}
_FURTHEST = 6.0  # standard deviations from the mean of what a model was taught by
_KINDS = ("named", "known", "strange")


@dataclass(frozen=True)
class Background:
    """What counts say of M codes before an encounter is read, ``[M]`` but for the last three.

    Attributes:
        place: position of each code.
        known: whether the train split has it.
        added: whether it was added after training.
        odds: its log-odds where no term names it.
        count: encounters with it.
        category: number of its category, by ``categories``.
        chapter: number of its chapter, the code's first letter.
        length: characters.
        categories: number of each category by its name.
        of_category: encounters with a code of each category, codes without a wording among them.
        of_chapter: the same of each chapter.
    """

    place: Mapping[Code, int]
    known: NDArray[np.bool_]
    added: NDArray[np.bool_]
    odds: NDArray[np.float64]
    count: NDArray[np.float64]
    category: NDArray[np.int64]
    chapter: NDArray[np.int64]
    length: NDArray[np.float64]
    categories: Mapping[tuple[str, str], int]
    of_category: NDArray[np.float64]
    of_chapter: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        codes: Sequence[Code],
        statistics: Statistics,
        absent: Absent,
        first: int | None = None,
    ) -> Background:
        """Count for the M codes, of which those behind the ``first`` were added."""
        counts = statistics.codes
        keys = [(code.system, category(code)) for code in codes]
        letters = [(code.system, code.value[0]) for code in codes]
        categories = {key: n for n, key in enumerate(dict.fromkeys(keys))}
        chapters = {key: n for n, key in enumerate(dict.fromkeys(letters))}
        by_category: Counter[tuple[str, str]] = Counter()
        by_chapter: Counter[tuple[str, str]] = Counter()
        for code, count in counts.items():
            by_category[code.system, category(code)] += count
            by_chapter[code.system, code.value[0]] += count
        return cls(
            {code: place for place, code in enumerate(codes)},
            np.array([code in counts for code in codes], dtype=bool),
            np.arange(len(codes)) >= (len(codes) if first is None else first),
            np.array(absent.log_odds(codes, statistics), dtype=np.float64),
            np.array([counts.get(code, 0) for code in codes], dtype=np.float64),
            np.array([categories[key] for key in keys], dtype=np.int64),
            np.array([chapters[key] for key in letters], dtype=np.int64),
            np.array([len(code.value) for code in codes], dtype=np.float64),
            categories,
            np.array([by_category[key] for key in categories], dtype=np.float64),
            np.array([by_chapter[key] for key in chapters], dtype=np.float64),
        )


@dataclass(frozen=True)
class Likeness:
    """A model for each kind of code; None where nothing could teach it.

    ``among`` is how many codes were new where ``strange`` was learned. It was learned from known
    codes ``taken`` for new where next to no gold code of training was new; then it judges codes
    that are added, and says nothing of others that nobody coded.
    """

    named: LinearModel | None
    known: LinearModel | None
    strange: LinearModel | None
    among: float = 1.0
    taken: bool = False

    @classmethod
    def learn(
        cls,
        read: Iterable[tuple[Background, Near, Mapping[Code, float], Collection[Code]]],
    ) -> Likeness:
        """Learn from encounters: counts without them, what is near, odds by terms, and gold."""
        rows: dict[str, list[NDArray[np.float64]]] = {kind: [] for kind in (*_KINDS, "taken")}
        right: dict[str, list[NDArray[np.bool_]]] = {kind: [] for kind in rows}
        new: dict[str, list[int]] = {"strange": [], "taken": []}
        for number, (background, near, odds, gold) in enumerate(read):
            new["taken"].append(int(background.known.sum()))
            new["strange"].append(int((~background.known).sum()))
            wanted = np.zeros(len(background.known), dtype=bool)
            wanted[[background.place[code] for code in gold if code in background.place]] = True
            for kind, chosen, features in _rows(background, near, odds, teaching=True):
                # Which of the wrong ones teach moves along, so that all codes have their turn.
                kept = wanted[chosen] | ((np.arange(len(chosen)) + number) % _EVERY[kind] == 0)
                rows[kind].append(features[kept])
                right[kind].append(wanted[chosen][kept])
        models = {
            kind: _fit(np.concatenate(rows[kind]), np.concatenate(right[kind]), _EVERY[kind])
            for kind in rows
            if rows[kind]
        }
        taught = sum(int(some.sum()) for some in right["strange"])
        kind = "strange" if taught >= _FEWEST else "taken"
        among = max(float(np.mean(new[kind])), 1.0) if new[kind] else 1.0
        return cls(
            models.get("named"), models.get("known"), models.get(kind), among, kind == "taken"
        )

    def __call__(
        self, background: Background, near: Near, odds: Mapping[Code, float]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Places ``[n]`` among the M codes that are judged, and their log-odds ``[n]``."""
        places, values = [], []
        new = background.added if self.taken else ~background.known
        # An encounter needs no more new codes because more were added.
        rarer = min(0.0, math.log(self.among / max(float(new.sum()), 1.0)))
        shift = {"named": 0.0, "known": 0.0, "strange": rarer}
        for kind, chosen, features in _rows(background, near, odds, new=new):
            model = {"named": self.named, "known": self.known, "strange": self.strange}[kind]
            if model is not None and len(chosen):
                places.append(chosen)
                values.append(model(_within(model, features)) + shift[kind])
        if not places:
            return np.empty(0, dtype=np.int64), np.empty(0)
        return np.concatenate(places), np.concatenate(values)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        models = (self.named, self.known, self.strange)
        return {
            "features": list(FEATURES),
            "abbreviations": abbreviations_hash(),
            "among": self.among,
            "taken": self.taken,
            **{
                kind: None if model is None else model.to_dict()
                for kind, model in zip(_KINDS, models, strict=True)
            },
        }

    @classmethod
    def from_dict(cls, values: Any) -> Likeness:
        """The inverse of :meth:`to_dict`; raises `InputError` on anything else."""
        if not isinstance(values, dict) or values.get("features") != list(FEATURES):
            raise InputError(
                "similarity: it was learned with other features; run `surecode train` again"
            )
        if values.get("abbreviations") != abbreviations_hash():
            raise InputError(
                "similarity: it was learned with other abbreviations; run `surecode train` again"
            )
        try:
            named, known, strange = (
                None if values[kind] is None else LinearModel.from_dict(values[kind], len(FEATURES))
                for kind in _KINDS
            )
            among = float(values["among"])
            if not 1.0 <= among < math.inf or not isinstance(values["taken"], bool):
                raise KeyError("among")
            return cls(named, known, strange, among, values["taken"])
        except (KeyError, TypeError, ValueError):
            raise InputError("similarity: damaged; run `surecode train` again") from None


def _rows(
    background: Background,
    near: Near,
    odds: Mapping[Code, float],
    teaching: bool = False,
    new: NDArray[np.bool_] | None = None,
) -> list[tuple[str, NDArray[np.int64], NDArray[np.float64]]]:
    """Of each kind the places ``[n]`` of its codes and their `FEATURES` ``[n, F]``.

    ``teaching`` adds known codes as they would look if training had never seen them; ``new`` are
    the codes that may be strange, by default all that training never saw.
    """
    new = ~background.known if new is None else new
    here = {background.place[code]: z for code, z in odds.items() if code in background.place}
    named = np.zeros(len(background.known), dtype=bool)
    named[list(here)] = True
    z = background.odds.copy()
    z[list(here)] = list(here.values())
    placed, rank, nearest = near.placed, near.rank, near.rank < NEAREST
    sibling = _likeliest_sibling(background, odds, here)

    def features(
        chosen: NDArray[np.int64], first: NDArray[np.float64], without: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        of_chapter = background.of_chapter[background.chapter[chosen]] - without
        return np.column_stack(
            [
                first,
                placed.score[chosen],
                placed.cosine[chosen],
                np.log1p(placed.place[chosen]),
                np.log1p(rank[chosen]),
                sibling[chosen],
                np.log1p(background.of_category[background.category[chosen]] - without),
                np.log((of_chapter + 1.0) / (background.of_chapter.sum() + 1.0)),
                background.length[chosen],
            ]
        )

    rows = []
    for kind, mask in (
        ("named", named & background.known),
        ("known", ~named & background.known),
        ("strange", new & (named | nearest)),
    ):
        chosen = np.flatnonzero(mask)
        first = z[chosen]
        if kind == "strange":  # no count tells one that no title names from another
            first = np.where(named[chosen], first, _UNNAMED)
        rows.append((kind, chosen, features(chosen, first, np.zeros(len(chosen)))))
    if teaching:
        chosen = np.flatnonzero(background.known & nearest)
        unnamed = np.full(len(chosen), _UNNAMED)  # a new code has no terms of annotators
        taken = features(chosen, unnamed, background.count[chosen])
        rows.append(("taken", chosen, taken))
    return rows


def _likeliest_sibling(
    background: Background, odds: Mapping[Code, float], here: Mapping[int, float]
) -> NDArray[np.float64]:
    """Of each code the largest log-odds of another code of its category that a term names."""
    largest = np.full(len(background.categories), NO_SIBLING)
    second = largest.copy()
    for code, z in odds.items():
        number = background.categories.get((code.system, category(code)))
        if number is None:
            continue
        if z > largest[number]:
            largest[number], second[number] = z, largest[number]
        elif z > second[number]:
            second[number] = z
    found = largest[background.category]
    for place, z in here.items():
        number = background.category[place]
        if z == largest[number]:
            found[place] = second[number]
    return found


def _within(model: LinearModel, features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Features, none further out than training tells anything of: a chapter nobody coded, say."""
    mean, scale = np.array(model.mean), np.array(model.scale)
    return np.clip(features, mean - _FURTHEST * scale, mean + _FURTHEST * scale)


def _fit(features: NDArray[np.float64], right: NDArray[np.bool_], every: int) -> LinearModel | None:
    """Log-odds as all rows would give them; of those that are not right one in so many is here."""
    if not len(right):
        return None
    return LinearModel.fit(features, right, steps=True).shifted(-math.log(every))
