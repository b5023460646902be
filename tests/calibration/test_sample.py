from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from surecode.calibration.groups import EVERYONE, group_name
from surecode.calibration.sample import Sample
from surecode.calibration.targets import Losses
from surecode.errors import InputError


def sample(n: int, *, grouped: bool = True) -> Sample:
    """Every other encounter is eligible; losses of two targets."""
    rng = np.random.default_rng(3)
    return Sample(
        [f"c{i}" for i in range(n)],
        rng.random(n),
        tuple(Losses.of_correct(rng.random(n) < share) for share in (0.9, 0.5)),
        eligible=np.arange(n) % 2 == 0,
        groups=rng.choice(["payer=a", "payer=b"], n).tolist() if grouped else None,
        clusters=[f"p{i // 3}" for i in range(n)],
    )


def test_taking_some_encounters_takes_all_their_fields() -> None:
    whole = sample(50)
    rows = np.array([7, 3, 40])
    some = whole.take(rows)
    assert some.encounter_ids == ["c7", "c3", "c40"]
    assert some.confidence.tolist() == whole.confidence[rows].tolist()
    assert some.losses[1].error.tolist() == whole.losses[1].error[rows].tolist()
    assert whole.groups is not None
    assert whole.clusters is not None
    assert some.groups == [whole.groups[i] for i in rows]
    assert some.clusters == [whole.clusters[i] for i in rows]
    assert some.candidate.tolist() == [False, False, True]
    mask = np.arange(50) < 2
    assert whole.take(mask).encounter_ids == ["c0", "c1"]
    back = whole.take(rows).in_order_of_id()
    assert back.encounter_ids == ["c3", "c40", "c7"]


def test_groups_of_a_sample() -> None:
    plain, grouped = sample(20, grouped=False), sample(20)
    assert plain.names() == [EVERYONE]
    assert plain.of("anything") is plain
    assert grouped.names() == ["payer=a", "payer=b"]
    assert sum(len(grouped.of(name)) for name in grouped.names()) == 20
    assert len(grouped.of("payer=c")) == 0


def test_group_name() -> None:
    values = {"payer": "medicare", "setting": "facility", "site": "x"}
    assert group_name(values, ["payer", "setting"]) == "payer=medicare, setting=facility"
    assert group_name(values, []) == EVERYONE


def test_candidates_are_finite_and_eligible() -> None:
    losses = (Losses.of_correct(np.ones(4, bool)),)
    confidence = np.array([0.3, np.nan, 0.0, np.nan])
    open_to_all = Sample(list("abcd"), confidence, losses)
    assert open_to_all.candidate.tolist() == [True, False, True, False]
    some = Sample(list("abcd"), confidence, losses, eligible=np.array([False, True, True, False]))
    assert some.candidate.tolist() == [False, False, True, False]


def test_no_encounter() -> None:
    nobody = sample(0)
    assert len(nobody) == len(nobody.candidate) == 0
    assert nobody.names() == []
    assert len(nobody.in_order_of_id()) == 0


OK = Losses.of_correct(np.ones(3, bool))
THREE: dict[str, Any] = {
    "encounter_ids": ["a", "b", "c"],
    "confidence": [0.1, 0.2, np.nan],
    "losses": (OK,),
}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"encounter_ids": ["a"]}, "1 encounter ids for 3 confidences"),
        ({"losses": (OK, Losses.of_correct(np.ones(2, bool)))}, "2 losses of target 2 for 3"),
        ({"losses": (Losses.of_correct(np.ones(2, bool)), OK)}, "2 losses of target 1 for 3"),
        ({"losses": ()}, "0 losses"),
        ({"groups": ["g"]}, "1 groups for 3"),
        ({"clusters": ["g"] * 4}, "4 clusters for 3"),
        ({"eligible": np.ones(2, bool)}, "2 eligible for 3"),
        ({"eligible": np.ones(3)}, "eligible is no bool"),
        ({"confidence": [0.1, np.inf, 0.2]}, "a confidence is infinite"),
        ({"confidence": [0.1, -np.inf, 0.2]}, "a confidence is infinite"),
        ({"confidence": [[0.1], [0.2], [0.3]]}, r"shape \(3, 1\)"),
        ({"confidence": 0.3}, r"shape \(\)"),
    ],
)
def test_sample_refuses(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named) as refused:
        Sample(**(THREE | fields))
    assert "\n" not in str(refused.value)
