"""Why a specialty has to go back to review."""

from __future__ import annotations

from surecode.monitoring.alarms import MonitorState


def demotion(state: MonitorState, specialty: str) -> str | None:
    """The reason in plain words for which ``specialty`` is demoted to review, None if it is not.

    A drift alarm suffices, and so does a proven breach. Both stay until a new certificate brings a
    new monitor: good audits afterwards do not take them back.
    """
    if not (state.alarm or state.breach_proven):
        return None
    return f"{specialty} is demoted to review: {state.reason}"
