"""Keeping a certificate's promise after release: audits, alarms, demotion.

:class:`AuditSampler` chooses which automated encounters are audited, :class:`RiskMonitor` reads
the results one after the other, and :func:`demotion` says why a specialty has to go back to review.
"""

from surecode.monitoring.alarm_settings import AVERAGE_RUN_LENGTH_WEEKS, AlarmSettings
from surecode.monitoring.alarms import MonitorState, RiskMonitor
from surecode.monitoring.audit import AuditSampler
from surecode.monitoring.confidence_sequence import error_rate_interval
from surecode.monitoring.demotion import demotion
from surecode.monitoring.required import DetectionDelay, detection_delay, required_audits

__all__ = [
    "AVERAGE_RUN_LENGTH_WEEKS",
    "AlarmSettings",
    "AuditSampler",
    "DetectionDelay",
    "MonitorState",
    "RiskMonitor",
    "demotion",
    "detection_delay",
    "error_rate_interval",
    "required_audits",
]
