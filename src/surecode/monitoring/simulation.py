"""When alarm and breach proof come, in simulated audits whose error rate is known.

The same arithmetic as `RiskMonitor` for losses of 0 and 1 and one rate of audits, for many
monitors at once. Price: about two seconds for 10,000 monitors over two years of 50 audits a week.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surecode.monitoring.alarm_settings import AlarmSettings
from surecode.monitoring.bets import bet_sizes, log_factors, log_mean

_BLOCK = 100  # audits drawn at once, so that memory does not grow with the weeks


def simulate_alarms(
    settings: AlarmSettings, error_rates: ArrayLike, simulations: int, seed: int
) -> NDArray[np.int64]:
    """The audit `[S]`, counted from 1, of each simulation's drift alarm; 0 where none comes.

    ``error_rates`` `[W]` is the probability of an error in each week; a week has
    ``settings.audits_per_week`` audits, rounded.
    """
    sizes = bet_sizes(settings.alpha)[:, None]
    right, wrong = 1.0 - sizes * settings.alpha, 1.0 + sizes * (1.0 - settings.alpha)
    threshold = settings.alarm_threshold * len(sizes)
    alarm = np.zeros(simulations, dtype=np.int64)
    waiting = np.arange(simulations)
    # Not as logarithms: R starts at 0 and is at most the threshold until a simulation ends.
    detector = np.zeros((len(sizes), simulations))
    audits = 0
    for losses in _blocks(settings, error_rates, simulations, seed):
        losses = losses[:, waiting]
        for loss in losses:
            audits += 1
            detector += 1.0
            detector *= right
            detector[:, loss] *= wrong / right
            reached = detector.sum(axis=0) >= threshold
            if reached.any():
                alarm[waiting[reached]] = audits
                # The others go on; a row of the block that is already drawn has them all.
                detector[:, reached] = -np.inf
        still = np.isfinite(detector[0])
        waiting, detector = waiting[still], detector[:, still]
        if not waiting.size:
            break
    return alarm


def simulate_breaches(
    settings: AlarmSettings, error_rates: ArrayLike, simulations: int, seed: int
) -> NDArray[np.int64]:
    """The audit `[S]`, counted from 1, of each simulation's breach proof; 0 where none comes.

    ``error_rates`` as in :func:`simulate_alarms`, which draws the same errors from the same seed.
    """
    weeks = len(np.asarray(error_rates))
    boundary = breach_boundary(settings, weeks * _per_week(settings))
    breach = np.zeros(simulations, dtype=np.int64)
    errors = np.zeros(simulations, dtype=np.int64)
    audits = 0
    for losses in _blocks(settings, error_rates, simulations, seed):
        counts = errors + np.cumsum(losses, axis=0)
        reached = counts >= boundary[audits : audits + len(losses), None]
        new = (breach == 0) & reached.any(axis=0)
        breach[new] = audits + 1 + reached.argmax(axis=0)[new]
        errors = counts[-1]
        audits += len(losses)
    return breach


def breach_boundary(settings: AlarmSettings, audits: int) -> NDArray[np.int64]:
    """The fewest errors `[T]` among the first 1, 2, ... ``audits`` audits that prove a breach.

    For losses of 0 and 1 and one rate of audits, where the e-value depends on the counts alone.
    Above the number of audits where not even errors throughout would do.
    """
    sizes = bet_sizes(settings.alpha)
    wrong = log_factors(1.0, 1.0, settings.alpha, sizes)
    right = log_factors(0.0, 1.0, settings.alpha, sizes)
    log_proof = -np.log(settings.delta)
    boundary = np.zeros(audits, dtype=np.int64)
    errors = 0
    for t in range(1, audits + 1):
        # One more right audit never lowers the boundary.
        while log_mean(errors * wrong + (t - errors) * right) < log_proof:
            errors += 1
        boundary[t - 1] = errors
    return boundary


def _per_week(settings: AlarmSettings) -> int:
    return max(round(settings.audits_per_week), 1)


def _blocks(
    settings: AlarmSettings, error_rates: ArrayLike, simulations: int, seed: int
) -> Iterator[NDArray[np.bool_]]:
    """Losses `[audits, S]`, at most a week's at once."""
    rng = np.random.default_rng(seed)
    for rate in np.asarray(error_rates, dtype=np.float64):
        for start in range(0, _per_week(settings), _BLOCK):
            size = min(_BLOCK, _per_week(settings) - start)
            yield rng.random((size, simulations)) < rate
