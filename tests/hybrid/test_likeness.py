"""What similarity to wordings adds to what terms say, in a made-up world where it is known."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from surecode.encounter import Code
from surecode.errors import InputError
from surecode.hybrid.absent import Absent
from surecode.hybrid.likeness import NEAREST, NO_SIBLING, Background, Likeness, _rows
from surecode.hybrid.similarity import Placed, ranked
from surecode.hybrid.statistics import Statistics
from surecode.hybrid.titles import Near

KNOWN = tuple(
    Code("ICD-10-CM", f"{letter}{n}.{k}")
    for letter in "JK"
    for n in range(10, 20)
    for k in range(3)
)
STRANGE = tuple(Code("ICD-10-CM", f"M{n}.{k}") for n in range(10, 30) for k in range(3))
CODES = (*KNOWN, *STRANGE)
ABSENT = Absent(0.2, 0.1)
World = list[tuple[Background, Near, Mapping[Code, float], frozenset[Code]]]


def near_at(cosine: NDArray[np.float32]) -> Near:
    place = np.empty(len(cosine), np.int64)
    place[np.argsort(-cosine, kind="stable")] = np.arange(len(cosine))
    score = cosine - 0.2 * np.log1p(place)
    placed = Placed(np.zeros(len(cosine), np.int64), cosine, place, score.astype(np.float32))
    return Near(placed, ranked(placed.score))


def counted(codes: tuple[Code, ...]) -> Background:
    statistics = Statistics(100, {code: 1 + KNOWN.index(code) % 5 for code in codes}, {}, {})
    return Background.of(CODES, statistics, ABSENT, first=len(KNOWN))


def world(
    seed: int, encounters: int, strange: bool = True, each: float = 0.03
) -> Iterator[tuple[Background, Near, Mapping[Code, float], frozenset[Code]]]:
    """Gold codes come near to the text; half of the known ones are named by a term as well."""
    draw = np.random.default_rng(seed)
    background = counted(KNOWN)
    for _ in range(encounters):
        gold = draw.random(len(CODES)) < each
        if not strange:
            gold[len(KNOWN) :] = False
        cosine = (draw.normal(0.2, 0.1, len(CODES)) + 0.3 * gold).astype(np.float32)
        odds = {
            code: float(draw.normal(1.0 if right else -1.0))
            for code, right in zip(KNOWN, gold, strict=False)
            if draw.random() < (0.5 if right else 0.05)
        }
        truth = frozenset(code for code, right in zip(CODES, gold, strict=True) if right)
        yield background, near_at(cosine), odds, truth


def ranked_well(likeness: Likeness, kind: range, read: World) -> float:
    """P(a gold code among these has larger odds than one that is not)."""
    better = total = 0.0
    for background, near, odds, gold in read:
        z = np.full(len(CODES), -np.inf)
        places, values = likeness(background, near, odds)
        z[places] = values
        right = [k for k in kind if CODES[k] in gold]
        wrong = [k for k in kind if CODES[k] not in gold]
        better += sum(float((z[k] > z[wrong]).mean()) for k in right)
        total += len(right)
    return better / total


@pytest.mark.parametrize("strange", [True, False], ids=["unseen codes are gold", "are not"])
def test_codes_are_ranked_by_how_near_the_text_comes(strange: bool) -> None:
    """Where no code is new in training, known ones that are taken for new teach what they would."""
    likeness = Likeness.learn(world(0, 150, strange))
    tested = list(world(1, 60))
    for kind in (range(len(KNOWN)), range(len(KNOWN), len(CODES))):
        assert ranked_well(likeness, kind, tested) > 0.9


def test_odds_are_those_of_all_codes_though_few_wrong_ones_teach() -> None:
    likeness = Likeness.learn(world(0, 400))
    expected = seen = spread = 0.0
    for background, near, odds, gold in world(1, 400):
        places, values = likeness(background, near, odds)
        p = 1 / (1 + np.exp(-values))
        expected += p.sum()
        spread += (p * (1 - p)).sum()
        seen += len(gold & {CODES[k] for k in places})
    # Four standard deviations of the test's draw, and as much for the one that was learned from.
    assert abs(expected - seen) < 4 * math.sqrt(2 * spread)


def test_which_codes_are_judged_and_by_which_sibling() -> None:
    named = {CODES[0]: 2.0, CODES[1]: 0.5, Code("ICD-10-CM", "K10.9"): 1.5}
    background = counted(KNOWN)
    cosine = np.linspace(0.9, 0.1, len(CODES)).astype(np.float32)
    rows = {kind: (chosen, x) for kind, chosen, x in _rows(background, near_at(cosine), named)}
    assert set(rows) == {"named", "known", "strange"}
    assert rows["named"][0].tolist() == [0, 1]
    assert len(rows["known"][0]) == len(KNOWN) - 2
    assert len(rows["strange"][0]) == min(len(STRANGE), NEAREST)
    sibling = {
        int(k): float(x)
        for chosen, f in rows.values()
        for k, x in zip(chosen, f[:, 5], strict=True)
    }
    assert [sibling[0], sibling[1], sibling[2]] == [0.5, 2.0, 2.0]
    assert sibling[CODES.index(Code("ICD-10-CM", "K10.0"))] == 1.5  # one without a wording counts
    assert sibling[CODES.index(Code("ICD-10-CM", "M10.0"))] == NO_SIBLING


def test_a_code_taken_for_new_looks_as_if_it_had_never_been_counted() -> None:
    taken = _rows(counted(KNOWN), near_at(np.ones(len(CODES), np.float32)), {}, teaching=True)[-1]
    without = counted(KNOWN[1:])
    fresh = _rows(without, near_at(np.ones(len(CODES), np.float32)), {})[-1]
    assert (taken[1][0], fresh[1][0]) == (0, 0)
    np.testing.assert_allclose(taken[2][0][[0, 6, 8]], fresh[2][0][[0, 6, 8]])


def test_there_and_back_and_what_is_damaged() -> None:
    likeness = Likeness.learn(world(0, 60))
    text = json.dumps(likeness.to_dict())
    again = Likeness.from_dict(json.loads(text))
    assert json.dumps(again.to_dict()) == text
    for background, near, odds, _ in world(1, 5):
        first, second = (one(background, near, odds) for one in (likeness, again))
        assert first[0].tobytes() == second[0].tobytes()
        assert first[1].tobytes() == second[1].tobytes()
    with pytest.raises(InputError, match="other features"):
        Likeness.from_dict({**json.loads(text), "features": []})
    with pytest.raises(InputError, match="other abbreviations"):
        Likeness.from_dict({**json.loads(text), "abbreviations": "0"})
    with pytest.raises(InputError, match="damaged"):
        Likeness.from_dict({k: json.loads(text)[k] for k in ("features", "abbreviations")})


def test_nothing_to_learn_from_judges_nothing() -> None:
    likeness = Likeness.learn([])
    background, near, odds, _ = next(iter(world(0, 1)))
    places, values = likeness(background, near, odds)
    assert places.size == values.size == 0
