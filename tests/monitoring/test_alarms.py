from __future__ import annotations

import json
import math
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surecode.errors import InputError
from surecode.monitoring import AlarmSettings, RiskMonitor
from surecode.monitoring.bets import bet_sizes

PLAIN = AlarmSettings(alpha=0.05, audits_per_week=50)
EAGER = AlarmSettings(alpha=0.2, audits_per_week=2, average_run_length_weeks=5, delta=0.2)

binary = st.lists(st.sampled_from([0.0, 1.0]), max_size=60)
bounded = st.lists(st.floats(0.0, 1.0), max_size=60)


@settings(deadline=None, max_examples=60)
@given(binary | bounded, st.data())
def test_batches_pauses_and_single_audits_give_the_same_state(
    losses: list[float], data: st.DataObject
) -> None:
    settings_ = AlarmSettings(0.2, 2, 5, 0.2, lowest_rate=0.1)
    probability = [data.draw(st.floats(0.1, 1.0)) for _ in losses]
    whole = RiskMonitor(settings_)
    state = whole.update(losses, probability)
    resumed = RiskMonitor(settings_)
    cut = data.draw(st.integers(0, len(losses)))
    resumed.update(losses[:cut], probability[:cut])
    resumed = RiskMonitor.from_json(resumed.to_json())
    assert resumed.update(losses[cut:], probability[cut:]) == state
    single = RiskMonitor(settings_)
    for loss, p in zip(losses, probability, strict=True):
        single.update([loss], p)
    assert single.state() == state
    assert whole.memory == resumed.memory == single.memory
    assert whole.to_json() == resumed.to_json() == single.to_json()
    assert RiskMonitor.from_json(whole.to_json()).settings == settings_


@settings(deadline=None, max_examples=60)
@given(binary | bounded)
def test_equals_the_definition(losses: list[float]) -> None:
    """Products and sums over start points, without logarithms and without recursion."""
    factors = 1.0 + bet_sizes(EAGER.alpha) * (np.array(losses)[:, None] - EAGER.alpha)
    proofs, detectors = [], []
    for t in range(1, len(losses) + 1):
        proofs.append(factors[:t].prod(axis=0).mean())
        detectors.append(sum(factors[s:t].prod(axis=0) for s in range(t)).mean())
    state = RiskMonitor(EAGER).update(losses)
    assert state.e_value == pytest.approx(proofs[-1] if proofs else 1.0, rel=1e-9)
    assert state.detector == pytest.approx(detectors[-1] if detectors else 0.0, rel=1e-9)
    assert state.audits == len(losses)
    assert state.errors == pytest.approx(sum(losses))
    if not any(abs(value * EAGER.delta - 1.0) < 1e-9 for value in proofs):
        assert state.breach_proven == any(value >= 1.0 / EAGER.delta for value in proofs)
    if not any(abs(value / EAGER.alarm_threshold - 1.0) < 1e-9 for value in detectors):
        assert state.alarm == any(value >= EAGER.alarm_threshold for value in detectors)


@settings(deadline=None, max_examples=60)
@given(binary | bounded, st.randoms())
def test_the_proof_does_not_depend_on_the_order(losses: list[float], random: Any) -> None:
    shuffled = list(losses)
    random.shuffle(shuffled)
    one, other = RiskMonitor(EAGER).update(losses), RiskMonitor(EAGER).update(shuffled)
    assert one.log_e_value == pytest.approx(other.log_e_value, abs=1e-9)
    assert one.error_low == pytest.approx(other.error_low, abs=1e-9)
    assert one.error_high == pytest.approx(other.error_high, abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=60), st.data())
def test_a_greater_loss_never_calms(losses: list[float], data: st.DataObject) -> None:
    worse = list(losses)
    at = data.draw(st.integers(0, len(losses) - 1))
    worse[at] = data.draw(st.floats(losses[at], 1.0))
    before, after = RiskMonitor(EAGER).update(losses), RiskMonitor(EAGER).update(worse)
    assert after.log_e_value >= before.log_e_value - 1e-9
    assert after.log_detector >= before.log_detector - 1e-9
    assert after.alarm >= before.alarm
    assert after.breach_proven >= before.breach_proven


@settings(deadline=None, max_examples=40)
@given(binary, st.floats(0.001, 1.0))
def test_one_rate_for_all_cancels(losses: list[float], rate: float) -> None:
    sampled = RiskMonitor(AlarmSettings(0.05, 50, lowest_rate=rate)).update(losses, rate)
    assert sampled == RiskMonitor(PLAIN).update(losses)


def test_an_audit_that_was_four_times_as_likely_weighs_a_quarter() -> None:
    monitor = RiskMonitor(AlarmSettings(0.05, 50, lowest_rate=0.1))
    state = monitor.update([1.0, 1.0], [0.1, 0.4])
    sizes = bet_sizes(0.05)
    expected = ((1 + sizes * 0.95) * (1 + sizes * 0.95 / 4)).mean()
    assert state.e_value == pytest.approx(expected, rel=1e-12)
    assert monitor.memory.weighted_wrong == 1.25
    assert state.errors == 2.0


def test_nothing_audited() -> None:
    state = RiskMonitor(PLAIN).state()
    assert (state.audits, state.errors, state.e_value, state.detector) == (0, 0.0, 1.0, 0.0)
    assert state.log_detector == -math.inf
    assert (state.error_low, state.error_high) == (0.0, 1.0)
    assert not state.alarm
    assert not state.breach_proven
    assert state.reason == "no alarm; 0 errors in 0 audits"
    assert RiskMonitor(PLAIN).update([]) == state


def test_all_wrong_is_alarmed_and_proven_within_a_few_audits() -> None:
    state = RiskMonitor(PLAIN).update(np.ones(15))
    assert state.alarm
    assert state.breach_proven
    assert state.error_low > 0.05


@pytest.mark.parametrize("loss", [0.0, 1.0])
def test_decades_of_audits_neither_overflow_nor_underflow(loss: float) -> None:
    monitor = RiskMonitor(PLAIN)
    state = monitor.update(np.full(60_000, loss))
    assert math.isfinite(state.log_e_value)
    assert math.isfinite(state.log_detector)
    if loss:
        assert state.log_e_value > 30_000
        assert state.e_value == state.detector == sys.float_info.max
        assert state.error_high == pytest.approx(1.0)
    else:
        assert state.log_e_value < -700
        assert not state.alarm
        assert state.error_low == 0.0
        # The capital is not lost: what was paid for good audits can be won back.
        assert RiskMonitor.from_json(monitor.to_json()).update(np.ones(6000)).breach_proven
    assert RiskMonitor.from_json(monitor.to_json()).memory == monitor.memory


def test_alarm_and_proof_stay_and_name_the_first_audit() -> None:
    monitor = RiskMonitor(EAGER)
    first = monitor.update(np.ones(20))
    alarm, breach = monitor.memory.alarm_audit, monitor.memory.breach_audit
    assert alarm is not None
    assert breach is not None
    assert f"drift alarm at audit {alarm}" in first.reason
    assert f"breach proven at audit {breach}: more than 20%" in first.reason
    later = monitor.update(np.zeros(500))
    assert later.alarm
    assert later.breach_proven
    assert (monitor.memory.alarm_audit, monitor.memory.breach_audit) == (alarm, breach)
    assert later.e_value < 1.0 / EAGER.delta
    assert later.reason.endswith("20 errors in 520 audits")


def test_the_threshold_counts_audits_not_weeks() -> None:
    assert PLAIN.alarm_threshold == 260 * 50
    assert AlarmSettings(0.05, 25, 520).alarm_threshold == 520 * 25


@pytest.mark.parametrize("losses", [[float("nan")], [0.0, 1.5], [-0.1], [None], [math.inf]])
def test_refuses_losses_that_are_none_and_counts_nothing(losses: list[Any]) -> None:
    monitor = RiskMonitor(PLAIN)
    monitor.update([1.0, 0.0])
    before = monitor.to_json()
    with pytest.raises(InputError, match=r"\[0, 1\]"):
        monitor.update([1.0, *losses])
    assert monitor.to_json() == before


def test_refuses_what_does_not_fit() -> None:
    monitor = RiskMonitor(AlarmSettings(0.05, 50, lowest_rate=0.2))
    with pytest.raises(InputError, match="lowest_rate"):
        monitor.update([1.0], 0.1)
    with pytest.raises(InputError, match="lowest_rate"):
        monitor.update([1.0], [float("nan")])
    with pytest.raises(InputError, match="lowest_rate"):
        monitor.update([1.0], 1.5)
    with pytest.raises(InputError, match=r"\[N\]"):
        monitor.update([1.0], [0.5, 0.5])
    with pytest.raises(InputError, match=r"\[N\]"):
        monitor.update([[1.0]])
    with pytest.raises(InputError, match="numbers"):
        monitor.update(["wrong"])
    assert monitor.memory.audits == 0


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"alpha": 0.0}, "alpha"),
        ({"alpha": float("nan")}, "alpha"),
        ({"delta": 1.0}, "delta"),
        ({"lowest_rate": 0.0}, "lowest_rate"),
        ({"audits_per_week": 0}, "audits_per_week"),
        ({"average_run_length_weeks": -1.0}, "average_run_length_weeks"),
        ({"average_run_length_weeks": 0.01}, "0.5 audits"),
        ({"average_run_length_weeks": math.inf}, "finite"),
    ],
)
def test_refuses_settings(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        AlarmSettings(**({"alpha": 0.05, "audits_per_week": 50} | wrong))


def _changed(path: str, value: Any) -> str:
    content = json.loads(RiskMonitor(PLAIN).to_json())
    *above, last = path.split(".")
    place = content
    for name in above:
        place = place[name]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return json.dumps(content)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "not JSON"),
        ("[]", "not an object"),
        (_changed("schema", "surecode.monitor/0"), "schema"),
        (_changed("memory.audits", ...), "audits is missing"),
        (_changed("memory.extra", 1), "extra is unknown"),
        (_changed("memory.audits", True), "audits"),
        (_changed("memory.audits", -1), "audits"),
        (_changed("memory.errors", 2.0), "does not fit"),
        (_changed("memory.errors", float("nan")), "errors"),
        (_changed("memory.alarm_audit", 3), "later"),
        (_changed("memory.sizes", [1.0]), "different numbers"),
        (_changed("memory.sizes", [1.0, 2.0, 3.0, 25.0]), "sizes"),
        (_changed("memory.log_started", [0.0, 0.0, 0.0, -1.0]), "negative"),
        (_changed("memory.log_capital", [0.0, 0.0, 0.0, "1"]), "log_capital"),
        (_changed("memory.log_capital", []), "log_capital"),
        (_changed("settings.alpha", "0.05"), "alpha"),
        (_changed("settings.alpha", 0.0), "alpha"),
        (_changed("settings.delta", ...), "delta is missing"),
    ],
)
def test_refuses_a_saved_monitor_that_was_changed(text: str, named: str) -> None:
    with pytest.raises(InputError, match=named) as caught:
        RiskMonitor.from_json(text)
    assert "\n" not in str(caught.value)


def test_a_resumed_monitor_keeps_the_bets_that_it_began_with() -> None:
    content = json.loads(RiskMonitor(PLAIN).to_json())
    for name, value in (("sizes", 2.0), ("log_capital", 0.0), ("log_started", 0.0)):
        content["memory"][name] = [value]
    state = RiskMonitor.from_json(json.dumps(content)).update([1.0])
    assert state.e_value == pytest.approx(1.0 + 2.0 * 0.95, rel=1e-12)
