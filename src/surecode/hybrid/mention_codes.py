"""Which code people give to a mention, from its words alone.

Seven of ten mentions of CANTEMIST are worded as some other mention was, and nearly all of these
have its code. What was never worded so is put together from the parts of codes (`codes.axes`):
"metástasis de carcinoma renal de células claras" is known by its stem 8310 and by what other stems
call a metastasis, behaviour 6. The stem, and the value of each axis, is told by ridge regression on
the words of a wording and their parts, one column for each value (least-squares classification;
Rasmussen & Williams 2006, section 6.5). Its leave-one-out values have a closed form (there, section
5.4.2), and by these the sharpness of a softmax is chosen that makes chances of them.

Wordings of lists tell stems as well, but count for less; of behaviour and grade they say what codes
are called, and not what notes say.

Nothing is kept of a wording but its hash, and of what two wordings share weights.

Legend: U wordings of mentions, L of lists, C names that wordings have, V values of all axes.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import solve
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from surecode.codes import axes
from surecode.codes.systems import parse
from surecode.encounter import Code, Encounter
from surecode.errors import InputError
from surecode.hybrid.mention_words import (
    COLUMNS,
    Words,
    has_parts,
    listed_wordings,
    marked_wordings,
    named,
    unit_rows,
    wording_hash,
    wording_of,
)
from surecode.hybrid.sites import stem_of
from surecode.lexicon.term import Term

# Of the regression, and what a listed wording counts beside a mention's; by right codes of wordings
# never seen, cross-validated inside train and tune of CANTEMIST (of .03 to .3, and of .3 and 1).
_PENALTY, _LISTED = 0.1, 0.3
_LEAST_WEIGHT = 0.03  # less moves no decision there
_FEWEST = 2  # wordings that have a name
# Wordings, the most frequent first and listed ones last: the regression takes memory by their
# square.
_MOST = 10_000
_DIGITS = 4  # of a number, behind the point
_LEAST = 0.05  # of a code's chance; less is not proposed
_LEAST_VALUE = 0.03  # of one value's chance
_UNSURE = 0.05  # of one mention, that a known wording means none of the codes it had


@dataclass(frozen=True)
class Axis:
    """What one of the values of ``values`` is told of.

    ``system`` is that of the codes; the first axis, of stems, has none, and its values are
    written as codes are.
    """

    system: str
    values: tuple[str, ...]
    sharpness: float = 1.0


@dataclass(frozen=True)
class MentionCodes:
    """What was learned of wordings.

    Attributes:
        known: by hash of a wording how often it had each code.
        axes: the first of stems, then those of each system that has any.
        mean: of each of V values.
        columns: of C names, hashed.
        rarity: of each name, larger the fewer wordings have it.
        weights: of each name for the values, by their number.
    """

    known: Mapping[str, Mapping[Code, int]]
    axes: tuple[Axis, ...]
    mean: tuple[float, ...]
    columns: tuple[int, ...]
    rarity: tuple[float, ...]
    weights: tuple[Mapping[int, float], ...]

    @classmethod
    def learn(
        cls, encounters: Iterable[Encounter], listed: Iterable[Term] = ()
    ) -> MentionCodes | None:
        """Learn from what people marked; None where they marked no code that has a stem.

        ``listed`` are terms of lists; those of systems with axes tell stems.
        """
        counts: defaultdict[Words, Counter[Code]] = defaultdict(Counter)
        for wording, code in marked_wordings(encounters):
            counts[wording][code] += 1
        kept = sorted(counts, key=lambda words: (-counts[words].total(), words))[:_MOST]
        rows = [(w, code) for w in kept for code in sorted(counts[w]) if has_parts(code)]
        if not rows:
            return None
        u, rows = len(rows), [*rows, *listed_wordings(listed, counts)][: max(_MOST, len(rows))]
        having = named(list(dict.fromkeys(words for words, _ in rows))).getnnz(axis=0)
        columns = np.flatnonzero(having >= _FEWEST)
        in_notes = named(kept).getnnz(axis=0)[columns]
        rarity = np.log((1.0 + len(kept)) / (1.0 + in_notes)) + 1.0
        x = unit_rows(named([words for words, _ in rows])[:, columns] @ sparse.diags(rarity))
        stems = _stems([code for _, code in rows])
        told = [stems, *_axes([code for _, code in rows[:u]])]
        y = np.concatenate([_targets(axis, some[:u]) for axis, some in told], axis=1)
        mean = y.mean(axis=0)
        inverse = np.linalg.inv((x[:u] @ x[:u].T).toarray() + _PENALTY * np.eye(u))
        dual = inverse @ (y - mean)
        # Lists are left aside here: a mention is told at least as sharply with them.
        without = y - dual / np.diag(inverse)[:, None]
        weights = x[:u].T @ dual
        if len(rows) > u:
            v = len(stems[0].values)
            weights[:, :v] = _with_listed(x, _targets(*stems) - mean[:v], u)
        fitted, first = [], 0
        for axis, _ in told:
            some = slice(first, first + len(axis.values))
            fitted.append(Axis(axis.system, axis.values, _sharpness(without[:, some], y[:, some])))
            first = some.stop
        return cls(
            {wording_hash(words): dict(counts[words]) for words in counts},
            tuple(fitted),
            _rounded(mean),
            tuple(columns.tolist()),
            _rounded(rarity),
            tuple(
                dict(zip(large.tolist(), _rounded(row[large]), strict=True))
                for row in weights
                for large in [np.flatnonzero(np.abs(row) >= _LEAST_WEIGHT)]
            ),
        )

    def __call__(self, texts: Sequence[str]) -> list[dict[Code, float]]:
        """The codes of mentions, given as written, and P(people gave the code to the mention).

        Each mention's own, whatever stands beside it. Unlikely codes are left out.
        """
        wordings = [wording_of(text) for text in texts]
        if not wordings:
            return []
        return [
            self._known(self.known[key])
            if (key := wording_hash(words)) in self.known
            else self._new(row)
            for words, row in zip(wordings, self._values(wordings), strict=True)
        ]

    def _values(self, wordings: Sequence[Words]) -> NDArray[np.float64]:
        """``[n, V]``; sparse products add up row by row, so none depends on what stands beside."""
        x = unit_rows(named(wordings) @ self._rarity)
        values: NDArray[np.float64] = (x @ self._weights).toarray() + self.mean
        return values

    def knows(self, text: str) -> bool:
        """Whether a mention of training was worded so."""
        return wording_hash(wording_of(text)) in self.known

    @staticmethod
    def _known(counts: Mapping[Code, int]) -> dict[Code, float]:
        total = sum(counts.values()) + _UNSURE
        return {code: n / total for code, n in sorted(counts.items()) if n / total >= _LEAST}

    def _new(self, values: NDArray[np.float64]) -> dict[Code, float]:
        """Of a wording never seen: stems, with the likely values of their axes ``[V]``."""
        chances: dict[str, list[list[tuple[str, float]]]] = defaultdict(list)
        first = 0
        for axis in self.axes:
            some = softmax(values[first : first + len(axis.values)] * axis.sharpness)
            first += len(axis.values)
            likely = zip(axis.values, some.tolist(), strict=True)
            chances[axis.system].append([(v, p) for v, p in likely if p >= _LEAST_VALUE])
        found = {}
        for text, chance in chances[""][0]:
            stem = Code(*text.split(":", 1))
            if stem.system not in chances:
                found[stem] = chance
                continue
            for parts in product(*chances[stem.system]):
                code = axes.join(stem.system, stem.value, tuple(value for value, _ in parts))
                found[code] = chance * math.prod(p for _, p in parts)
        return {code: chance for code, chance in found.items() if chance >= _LEAST}

    @cached_property
    def _rarity(self) -> sparse.csr_matrix:
        """``[columns, C]``: of each column that is a name its rarity."""
        places = (np.array(self.columns, dtype=np.int64), np.arange(len(self.columns)))
        return sparse.csr_matrix((self.rarity, places), (COLUMNS, len(self.columns)))

    @cached_property
    def _weights(self) -> sparse.csr_matrix:
        """``[C, V]``."""
        ends = np.cumsum([0, *map(len, self.weights)])
        places = [k for row in self.weights for k in row]
        numbers = [weight for row in self.weights for weight in row.values()]
        return sparse.csr_matrix(
            (np.array(numbers, dtype=np.float64), places, ends), (len(self.weights), len(self.mean))
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "known": {
                key: {str(code): n for code, n in sorted(counts.items())}
                for key, counts in sorted(self.known.items())
            },
            "axes": [[axis.system, list(axis.values), axis.sharpness] for axis in self.axes],
            "mean": list(self.mean),
            "columns": list(self.columns),
            "rarity": list(self.rarity),
            "weights": [[list(row), list(row.values())] for row in self.weights],
        }

    @classmethod
    def from_dict(cls, values: Any) -> MentionCodes:
        """The inverse of :meth:`to_dict`; raises `InputError` on anything else."""
        try:
            read = cls(
                {
                    str(key): {parse(code): int(n) for code, n in counts.items()}
                    for key, counts in values["known"].items()
                },
                tuple(
                    Axis(str(system), tuple(map(str, some)), float(sharpness))
                    for system, some, sharpness in values["axes"]
                ),
                tuple(map(float, values["mean"])),
                tuple(map(int, values["columns"])),
                tuple(map(float, values["rarity"])),
                tuple(
                    dict(zip(map(int, places), map(float, numbers), strict=True))
                    for places, numbers in values["weights"]
                ),
            )
            sound = read._is_sound()
        except (InputError, KeyError, TypeError, ValueError, AttributeError, OverflowError):
            sound = False
        if not sound:
            raise InputError("mentions' codes: damaged; run `surecode train` again")
        return read

    def _is_sound(self) -> bool:
        numbers = [
            *self.mean,
            *self.rarity,
            *(axis.sharpness for axis in self.axes),
            *(weight for row in self.weights for weight in row.values()),
        ]
        return (
            bool(self.axes)
            and self.axes[0].system == ""
            and all(":" in stem for stem in self.axes[0].values)
            and all(axis.system in axes.AXES and axis.values for axis in self.axes[1:])
            and all(
                count in (0, len(axes.AXES[system]))
                for system, count in Counter(a.system for a in self.axes[1:]).items()
            )
            and sum(len(axis.values) for axis in self.axes) == len(self.mean)
            and len(self.columns) == len(self.rarity) == len(self.weights)
            and all(a < b for a, b in pairwise(self.columns))
            and all(0 <= column < COLUMNS for column in self.columns)
            and all(0 <= k < len(self.mean) for row in self.weights for k in row)
            and all(n > 0 for counts in self.known.values() for n in counts.values())
            and all(map(math.isfinite, numbers))
        )


def _rounded(numbers: Iterable[float]) -> tuple[float, ...]:
    return tuple(round(float(number), _DIGITS) for number in numbers)


def _with_listed(x: sparse.csr_matrix, y: NDArray[np.float64], u: int) -> NDArray[np.float64]:
    """Weights ``[C, v]``: U wordings of mentions and L of lists ``[U + L, C]``, ``[U + L, v]``."""
    kernel = (x @ x.T).toarray()
    kernel[np.diag_indices(len(y))] += (
        np.where(np.arange(len(y)) < u, 1.0, 1.0 / _LISTED) * _PENALTY
    )
    weights: NDArray[np.float64] = x.T @ solve(kernel, y, assume_a="pos", overwrite_a=True)
    return weights


def _stems(codes: Sequence[Code]) -> tuple[Axis, Sequence[str | None]]:
    """The stems, and each code's."""
    stems = [str(Code(code.system, stem_of(code))) for code in codes]
    return Axis("", tuple(sorted(set(stems)))), stems


def _axes(codes: Sequence[Code]) -> list[tuple[Axis, Sequence[str | None]]]:
    """The axes of systems that codes are of, each with the value of every code, if it has any."""
    told: list[tuple[Axis, Sequence[str | None]]] = []
    for system, names in axes.AXES.items():
        parts = [axes.split(code) if code.system == system else None for code in codes]
        for n in range(len(names)):
            values = [None if part is None else part[1][n] for part in parts]
            if some := {value for value in values if value is not None}:
                told.append((Axis(system, tuple(sorted(some))), values))
    return told


def _targets(axis: Axis, values: Sequence[str | None]) -> NDArray[np.float64]:
    """``[U, values]``: 1 at a wording's own; all 0 where it has none."""
    place = {value: n for n, value in enumerate(axis.values)}
    targets = np.zeros((len(values), len(place)))
    for row, value in enumerate(values):
        if value is not None:
            targets[row, place[value]] = 1.0
    return targets


def _sharpness(values: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    """By which a softmax of values ``[U, v]`` makes the right ones likeliest."""
    some = right.any(axis=1)
    values, truth = values[some], right[some].argmax(axis=1)
    if values.shape[1] < 2:
        return 1.0

    def loss(log_sharpness: float) -> float:
        chances = log_softmax(values * math.exp(log_sharpness), axis=1)
        return -float(chances[np.arange(len(truth)), truth].mean())

    fitted = minimize_scalar(loss, bounds=(0.0, 4.0), method="bounded")
    return round(math.exp(fitted.x), _DIGITS)
