"""Is a certificate's promise still kept? An alarm that is fast, and a proof that is lasting.

Both bet against "every automated encounter is wrong with probability at most ``alpha``, whatever
came before" (``alpha`` = 1 - the certificate's level), one audit after the other:

- *Breach proof.* The e-value is the mean over bets of their capital since the first audit. Under
  the null hypothesis it ever reaches 1 / delta with probability delta at most (Ville's inequality),
  however often and whenever one looks.
- *Drift alarm.* The detector is the e-detector of Shiryaev-Roberts kind: R = (1 + R) * factor, the
  sum of the capitals of bets begun at every single audit. Under the null hypothesis R - number of
  audits is a supermartingale, so the mean number of audits until R reaches A is at least A. Shin,
  Ramdas & Rinaldo, "E-detectors" (2022, arXiv 2203.03532).

The proof pays for every good audit before a drift, the alarm does not: it is several times faster,
and in exchange goes off now and then without cause (``experiments/drift_alarm``).

Audits are to come in the order in which they are drawn and not be held back by their outcome.
Where groups are audited with different probabilities, "wrong with probability at most alpha" is
about the mixture of groups that arrives.

Units: A counts audits, so an average run length in weeks is multiplied by audits per week. Capital
is kept as a logarithm: years of audits neither overflow nor underflow. Price: about ten
microseconds per audit.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surecode.errors import InputError
from surecode.monitoring.alarm_settings import AlarmSettings
from surecode.monitoring.bets import bet_sizes, log_factors, log_mean
from surecode.monitoring.confidence_sequence import error_rate_interval
from surecode.monitoring.memory import Memory, read_monitor, write_monitor

_LOG_MAX = math.log(sys.float_info.max)


@dataclass(frozen=True)
class MonitorState:
    """What the audits so far say.

    ``errors`` is the sum of losses. ``error_low`` and ``error_high`` limit the error rate over all
    audits (:func:`error_rate_interval`). ``alarm`` and ``breach_proven`` stay once they are true.
    """

    audits: int
    errors: float
    log_e_value: float
    log_detector: float
    error_low: float
    error_high: float
    breach_proven: bool
    alarm: bool
    reason: str

    @property
    def e_value(self) -> float:
        """Evidence for a breach since the first audit; the largest float where it is larger."""
        return _exp(self.log_e_value)

    @property
    def detector(self) -> float:
        """Evidence for a drift at any time until now; the largest float where it is larger."""
        return _exp(self.log_detector)


class RiskMonitor:
    """The audits of one specialty under one certificate, one after the other.

    ``update`` takes them in any batches; the state is the same bit for bit. ``to_json`` keeps all
    that a later ``from_json`` needs to go on as if there had been no pause. A new certificate needs
    a new monitor.
    """

    def __init__(self, settings: AlarmSettings, memory: Memory | None = None) -> None:
        self.settings = settings
        self.memory = memory or Memory.of_bets(bet_sizes(settings.alpha))

    def to_json(self) -> str:
        """Settings and memory; every number reads back exactly."""
        return write_monitor(self.settings, self.memory)

    @classmethod
    def from_json(cls, text: str) -> RiskMonitor:
        """The monitor that ``to_json`` wrote; `InputError` where ``text`` is not from there."""
        return cls(*read_monitor(text))

    def update(
        self, losses: ArrayLike, inclusion_probability: ArrayLike | None = None
    ) -> MonitorState:
        """Take N more audits in the order in which they were drawn; the state after them.

        ``losses`` `[N]` in [0, 1]: 1 where the automated encounter was wrong.
        ``inclusion_probability`` `[N]`, or one number for all: the probability with which each was
        to be audited, as recorded; ``settings.lowest_rate`` where it is left out.

        Raises `InputError` where a loss is NaN or not in [0, 1], or a probability not in
        [lowest_rate, 1]; then nothing of the batch is counted.
        """
        loss, weight = self._checked(losses, inclusion_probability)
        log_proof = -math.log(self.settings.delta)
        log_threshold = math.log(self.settings.alarm_threshold)
        before = self.memory
        sizes, log_capital, log_started = before.arrays()
        audits, errors = before.audits, before.errors
        wrong, right = before.weighted_wrong, before.weighted_right
        alarm, breach = before.alarm_audit, before.breach_audit
        for x, w in zip(loss.tolist(), weight.tolist(), strict=True):
            grown = log_factors(x, w, self.settings.alpha, sizes)
            log_capital = log_capital + grown
            log_detector = log_started + grown
            log_started = np.logaddexp(0.0, log_detector)
            audits += 1
            errors += x
            wrong += w * x
            right += w * (1.0 - x)
            if breach is None and log_mean(log_capital) >= log_proof:
                breach = audits
            if alarm is None and log_mean(log_detector) >= log_threshold:
                alarm = audits
        self.memory = Memory(
            sizes=before.sizes,
            log_capital=tuple(log_capital.tolist()),
            log_started=tuple(log_started.tolist()),
            audits=audits,
            errors=errors,
            weighted_wrong=wrong,
            weighted_right=right,
            alarm_audit=alarm,
            breach_audit=breach,
        )
        return self.state()

    def state(self) -> MonitorState:
        """What the audits so far say."""
        memory = self.memory
        _, log_capital, log_started = memory.arrays()
        with np.errstate(divide="ignore"):  # before the first audit R is 0
            log_detector = log_started + np.log(-np.expm1(-log_started))
        low, high = error_rate_interval(
            memory.weighted_wrong, memory.weighted_right, self.settings.delta
        )
        return MonitorState(
            audits=memory.audits,
            errors=memory.errors,
            log_e_value=log_mean(log_capital),
            log_detector=log_mean(log_detector),
            error_low=low,
            error_high=high,
            breach_proven=memory.breach_audit is not None,
            alarm=memory.alarm_audit is not None,
            reason=self._reason(),
        )

    def _reason(self) -> str:
        memory, settings = self.memory, self.settings
        rate = f"{100.0 * settings.alpha:.6g}% of automated encounters were wrong"
        parts = []
        if memory.breach_audit is not None:
            parts.append(
                f"breach proven at audit {memory.breach_audit}: more than {rate} "
                f"(false with probability {settings.delta:g} at most)"
            )
        if memory.alarm_audit is not None:
            parts.append(
                f"drift alarm at audit {memory.alarm_audit}: errors came as if more than {rate} "
                "(without cause, on average once in "
                f"{settings.average_run_length_weeks:g} weeks at most)"
            )
        counted = f"{memory.errors:.6g} errors in {memory.audits} audits"
        return "; ".join([*(parts or ["no alarm"]), counted])

    def _checked(
        self, losses: ArrayLike, inclusion_probability: ArrayLike | None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        lowest = self.settings.lowest_rate
        try:
            loss = np.asarray(losses, dtype=np.float64)
            given = lowest if inclusion_probability is None else inclusion_probability
            probability = np.asarray(given, dtype=np.float64)
        except (TypeError, ValueError):
            raise InputError(
                "monitor: losses and inclusion probabilities must be numbers"
            ) from None
        if loss.ndim != 1 or probability.shape not in ((), loss.shape):
            raise InputError(
                f"monitor: losses {loss.shape} and inclusion probabilities {probability.shape} "
                "must both be [N]; give one of each per audit"
            )
        if not ((loss >= 0.0) & (loss <= 1.0)).all():
            raise InputError("monitor: a loss is not in [0, 1]; leave out audits without a result")
        if not ((probability >= lowest) & (probability <= 1.0)).all():
            raise InputError(
                f"monitor: an inclusion probability is not in [{lowest:g}, 1]; set lowest_rate to "
                "the lowest rate of the audit sampler"
            )
        return loss, np.broadcast_to(lowest / probability, loss.shape)


def _exp(log_value: float) -> float:
    return math.exp(log_value) if log_value < _LOG_MAX else sys.float_info.max
