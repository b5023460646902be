from __future__ import annotations

from surecode.encounter import Code
from surecode.evaluation.negation_codes import Reading, measure_negation
from surecode.evaluation.negation_suite import Pair

GOUT, ASTHMA = Code("ICD-10-CM", "M10.9"), Code("ICD-10-CM", "J45.909")
READINGS: dict[str, Reading] = {
    "He has gout.": {GOUT: [(7, 11)], ASTHMA: [(0, 2)]},  # asthma is not read from the mention
    "No gout.": {GOUT: [(3, 7)], ASTHMA: [(0, 2)]},
    "Father: gout.": {ASTHMA: [(0, 6)]},
    "Is it gout?": {GOUT: []},
    "Gout?": {GOUT: [(0, 4)]},
    "Nothing of gout.": {GOUT: []},  # no evidence, so no reading of the mention
}


def pair(name: str, kind: str, other: str, affirmed: str = "He has gout.") -> Pair:
    return Pair(name, "en", kind, "gout", affirmed, other)


def test_codes_that_outlive_their_mention_by_hand() -> None:
    pairs = [
        pair("1", "negated", "No gout."),  # kept
        pair("2", "family", "Father: gout."),  # asthma alone was kept, which is no matter
        pair("3", "uncertain", "Is it gout?"),  # kept, but not called wrong
        pair("4", "negated", "No gout.", affirmed="Nothing of gout."),  # never named
        pair("5", "negated+family", "Father: gout.", affirmed="Gout?"),
    ]
    found = measure_negation(pairs, READINGS.__getitem__).set_index(["language", "kind"])
    assert found.loc["en"].T.to_dict("list") == {
        "family": [1, 1, 0],
        "negated": [2, 1, 1],
        "negated+family": [1, 1, 0],
        "uncertain": [1, 1, 1],
        "wrong": [4, 3, 1],
    }


def test_nothing_to_code_is_an_empty_table() -> None:
    assert measure_negation([], READINGS.__getitem__).empty
