"""The negation pairs put to a whole coder: does a code fall when its mention is not meant?

`surecode.evaluation.negation_suite` measures the assertion rules alone; here a coder codes both
texts of a pair. No gold code is needed: the codes that the affirmed text got on the mention are the
coder's own reading, and where the mention is negated, of the family or hypothetical the same code
is wrong, whichever it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import pandas as pd

from surecode.encounter import Code
from surecode.evaluation.negation_suite import Pair

# Uncertain diagnoses are coded in some settings and past ones have codes of their own: they are
# counted, but not called wrong.
WRONG_KINDS = frozenset({"negated", "family", "hypothetical", "negated+family"})
Spans = Sequence[tuple[int, int]]
Reading = Mapping[Code, Spans]


def measure_negation(pairs: Iterable[Pair], code: Callable[[str], Reading]) -> pd.DataFrame:
    """Count by kind how often a code outlives its mention.

    Args:
        pairs: pairs of the negation suite.
        code: the codes that a text gets, each with the half-open characters of its evidence.

    Returns:
        One row per language and kind, and one for all kinds in which the code is wrong (``kind``
        "wrong"): ``pairs``; ``named``, pairs whose affirmed text got a code with evidence on the
        mention; ``kept``, those among them whose other text got one of these codes as well.
    """
    rows: Counter[tuple[str, str, str]] = Counter()
    for pair in pairs:
        start = pair.affirmed.lower().index(pair.mention.lower())
        end = start + len(pair.mention)
        named = {
            found
            for found, spans in code(pair.affirmed).items()
            if any(first < end and start < last for first, last in spans)
        }
        kept = named & code(pair.other).keys()
        for kind in (pair.kind, *(["wrong"] if pair.kind in WRONG_KINDS else [])):
            rows[pair.language, kind, "pairs"] += 1
            rows[pair.language, kind, "named"] += bool(named)
            rows[pair.language, kind, "kept"] += bool(kept)
    return pd.DataFrame(
        [
            (language, kind, *(rows[language, kind, name] for name in ("pairs", "named", "kept")))
            for language, kind in sorted({key[:2] for key in rows})
        ],
        columns=["language", "kind", "pairs", "named", "kept"],
    )
