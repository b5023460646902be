"""The file of ranked codes: what a coder gave each code of an encounter, assigned or not.

Decision records hold assigned codes only, and mean average precision needs the ranking below the
cut. ``ranked.parquet`` has one row for each encounter: ``encounter_id``, ``codes`` (a list of texts
such as ``ICD-10-CM:I10``) and ``probabilities`` (a list of as many numbers), both by falling
probability. It holds no text of any note.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from surecode.codes.systems import parse
from surecode.data.located import located
from surecode.encounter import Code
from surecode.errors import InputError
from surecode.files import whole

FLOOR = 0.001  # what is less probable is not worth a place
DEPTH = 200  # nor is what stands behind so many

_SCHEMA = pa.schema(
    [
        pa.field("encounter_id", pa.string(), nullable=False),
        pa.field(
            "codes", pa.list_(pa.field("element", pa.string(), nullable=False)), nullable=False
        ),
        pa.field(
            "probabilities",
            pa.list_(pa.field("element", pa.float64(), nullable=False)),
            nullable=False,
        ),
    ]
)


@dataclass(frozen=True, slots=True)
class RankedCodes:
    """Codes of one encounter by falling probability, each once; both are ``[R]``.

    Raises `InputError` where lengths differ, a code stands twice, a probability is outside of 0 to
    1 or larger than the one before it.
    """

    encounter_id: str
    codes: tuple[Code, ...]
    probabilities: tuple[float, ...]

    def __post_init__(self) -> None:
        where = f"ranked codes of encounter {self.encounter_id}"
        if len(self.codes) != len(self.probabilities):
            raise InputError(
                f"{where}: {len(self.codes)} codes and {len(self.probabilities)} probabilities; "
                "give one for each code"
            )
        if len(set(self.codes)) != len(self.codes):
            raise InputError(f"{where}: a code stands twice; name each code once")
        # Written so that what is no number is refused as well.
        if not all(0.0 <= p <= 1.0 for p in self.probabilities):
            raise InputError(f"{where}: a probability is outside of 0 to 1; give probabilities")
        if any(a < b for a, b in zip(self.probabilities, self.probabilities[1:], strict=False)):
            raise InputError(f"{where}: probabilities rise; sort codes by falling probability")


def rank(
    encounter_id: str,
    scored: Iterable[tuple[Code, float]],
    *,
    keep: Iterable[Code] = (),
    floor: float = FLOOR,
    depth: int = DEPTH,
) -> RankedCodes:
    """The most probable codes of an encounter.

    Args:
        encounter_id: whose they are.
        scored: codes with probabilities in any order; equal ones stay in the order given, so that a
            finer order than that of probabilities (by logit, say) is kept.
        keep: assigned codes, which are kept whatever their probability.
        floor: the smallest probability that is kept.
        depth: at most so many codes, those of ``keep`` apart.

    Raises:
        InputError: as `RankedCodes`.
    """
    kept = frozenset(keep)
    ordered = sorted(scored, key=lambda pair: -pair[1])
    chosen = [
        (code, float(probability))
        for place, (code, probability) in enumerate(ordered)
        if code in kept or (probability > floor and place < depth)
    ]
    return RankedCodes(encounter_id, tuple(c for c, _ in chosen), tuple(p for _, p in chosen))


def write_ranked(rankings: Sequence[RankedCodes], path: Path) -> None:
    """Write the file, whole or not at all; the same rankings give the same bytes."""
    rows = [
        {
            "encounter_id": ranking.encounter_id,
            "codes": [str(code) for code in ranking.codes],
            "probabilities": list(ranking.probabilities),
        }
        for ranking in rankings
    ]
    with whole(path) as temporary:
        pq.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA), temporary, compression="zstd")


def read_ranked(path: Path) -> list[RankedCodes]:
    """The rankings of a file in its order.

    Raises:
        InputError: the file is absent, damaged or no such file, a code is none, an encounter stands
            there twice, or a ranking is none.
    """
    remedy = "write it anew with `surecode evaluate`"
    if not path.is_file():
        raise InputError(f"{path}: no such file; {remedy}")
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError):
        raise InputError(f"{path}: the file is no Parquet or is damaged; {remedy}") from None
    if not table.schema.equals(_SCHEMA):
        raise InputError(
            f"{path}: the columns are not {', '.join(_SCHEMA.names)} of the right types; {remedy}"
        )
    rankings: list[RankedCodes] = []
    seen: set[str] = set()
    for number, row in enumerate(table.to_pylist(), start=1):
        where = f"{path}, row {number}"
        if row["encounter_id"] in seen:
            raise InputError(f"{where}: the encounter stands there twice; {remedy}")
        seen.add(row["encounter_id"])
        with located(where):
            rankings.append(
                RankedCodes(
                    row["encounter_id"],
                    tuple(parse(text) for text in row["codes"]),
                    tuple(row["probabilities"]),
                )
            )
    return rankings
