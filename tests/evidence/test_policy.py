from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from surecode.errors import InputError
from surecode.evidence import policy
from surecode.evidence.policy import EvidencePolicy
from surecode.evidence.span_policy import SpanPolicy

POLICY = EvidencePolicy(SpanPolicy(0.6, 1, 3), method="attingrad", doubts=("negated",))


def test_a_policy_reads_back() -> None:
    assert EvidencePolicy.from_dict(json.loads(json.dumps(POLICY.to_dict()))) == POLICY


@pytest.mark.parametrize(
    "change",
    [{"method": "guess"}, {"mass_left_out": 1.0}, {"deletion": "some"}, {"doubts": ("odd",)}],
    ids=lambda change: next(iter(change)),
)
def test_what_is_unknown_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(InputError, match="evidence policy: "):
        replace(POLICY, **change)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="its keys are not those"):
        EvidencePolicy.from_dict(POLICY.to_dict() | {"more": 1})


def test_the_fingerprint_changes_with_the_policy_and_with_the_rules(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = POLICY.fingerprint
    assert replace(POLICY, doubts=()).fingerprint != before
    assert replace(POLICY, spans=SpanPolicy(0.5, 1, 3)).fingerprint != before
    monkeypatch.setattr(policy, "_rules", lambda: "other rules")
    assert POLICY.fingerprint != before


def test_every_rule_file_is_there() -> None:
    here = Path(policy.__file__).parent
    assert [pattern for pattern in policy.RULES if not list(here.glob(pattern))] == []
