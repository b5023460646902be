from __future__ import annotations

import numpy as np
import pytest

from surecode.monitoring import AlarmSettings, RiskMonitor, demotion

SETTINGS = AlarmSettings(alpha=0.05, audits_per_week=50)


@pytest.mark.parametrize("losses", [[], [0.0] * 1000, [1.0, 0.0]])
def test_stays_without_alarm_and_proof(losses: list[float]) -> None:
    assert demotion(RiskMonitor(SETTINGS).update(losses), "radiology") is None


def test_a_drift_alarm_demotes_and_says_why() -> None:
    # Months of good audits make a proof take long; the alarm does not wait for it.
    monitor = RiskMonitor(SETTINGS)
    monitor.update(np.tile([1.0] + [0.0] * 29, 100))
    state = monitor.update([1.0] * 15)
    assert state.alarm
    assert not state.breach_proven
    reason = demotion(state, "radiology")
    assert reason is not None
    assert reason.startswith("radiology is demoted to review: drift alarm at audit 30")
    assert "5% of automated encounters" in reason
    assert "115 errors in 3015 audits" in reason
    assert "\n" not in reason


def test_a_proven_breach_demotes_without_an_alarm() -> None:
    # A detector that hardly ever goes off.
    state = RiskMonitor(AlarmSettings(0.05, 50, 1e12)).update([1.0] * 10)
    assert state.breach_proven
    assert not state.alarm
    reason = demotion(state, "pathology")
    assert reason is not None
    assert "breach proven at audit" in reason
    assert "drift" not in reason


def test_good_audits_afterwards_do_not_promote() -> None:
    monitor = RiskMonitor(SETTINGS)
    monitor.update([1.0] * 20)
    assert demotion(monitor.update([0.0] * 5000), "radiology") is not None
