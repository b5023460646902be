"""What a monitor remembers between two audits, and how it is written and read back exactly."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surecode.errors import InputError
from surecode.monitoring.alarm_settings import AlarmSettings

SCHEMA = "surecode.monitor/1"


@dataclass(frozen=True)
class Memory:
    """Capital of K bets and counts of audits.

    ``sizes`` are the bets; they are kept because a monitor must finish with the bets that it began
    with. ``log_capital`` is the logarithm of each bet's capital since the first audit,
    ``log_started`` that of 1 + R, its detector before the next audit (R is 0 at first and has no
    logarithm). ``errors`` is the sum of losses, ``weighted_wrong`` and ``weighted_right`` those of
    weight * loss and weight * (1 - loss). ``alarm_audit`` and ``breach_audit`` are the audits,
    counted from 1, at which the thresholds were first reached.
    """

    sizes: tuple[float, ...]
    log_capital: tuple[float, ...]
    log_started: tuple[float, ...]
    audits: int = 0
    errors: float = 0.0
    weighted_wrong: float = 0.0
    weighted_right: float = 0.0
    alarm_audit: int | None = None
    breach_audit: int | None = None

    @classmethod
    def of_bets(cls, sizes: NDArray[np.float64]) -> Memory:
        """Before the first audit: every bet `[K]` has a capital of 1."""
        nothing = (0.0,) * len(sizes)
        return cls(tuple(sizes.tolist()), nothing, nothing)

    def arrays(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """``sizes``, ``log_capital`` and ``log_started``, each `[K]`."""
        return np.array(self.sizes), np.array(self.log_capital), np.array(self.log_started)


def write_monitor(settings: AlarmSettings, memory: Memory) -> str:
    """JSON of both; every float is written so that it reads back exactly."""
    content = {"schema": SCHEMA, "settings": asdict(settings), "memory": asdict(memory)}
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


def read_monitor(text: str) -> tuple[AlarmSettings, Memory]:
    """What :func:`write_monitor` wrote.

    Raises `InputError` where ``text`` is no JSON, a key is missing or unknown, or a value cannot
    have been written there.
    """
    try:
        content = json.loads(text)
        _check_keys("file", content, {"schema", "settings", "memory"})
        if content["schema"] != SCHEMA:
            raise ValueError(f"schema is not {SCHEMA}")
        settings, memory = content["settings"], content["memory"]
        _check_keys("settings", settings, {field.name for field in fields(AlarmSettings)})
        for name, value in settings.items():
            _check_number(f"settings.{name}", value)
        return AlarmSettings(**settings), _memory(memory, settings["alpha"])
    except ValueError as error:
        # Words of the JSON parser would quote nothing, but they span positions, not causes.
        cause = "not JSON" if isinstance(error, json.JSONDecodeError) else str(error)
        raise InputError(
            f"saved monitor: {cause}; restore the file or feed all audits to a new monitor"
        ) from None


def _memory(values: Any, alpha: float) -> Memory:
    _check_keys("memory", values, {field.name for field in fields(Memory)})
    vectors = {}
    for name in ("sizes", "log_capital", "log_started"):
        if not isinstance(values[name], list) or not values[name]:
            raise ValueError(f"memory.{name} is not a list of numbers")
        for value in values[name]:
            _check_number(f"memory.{name}", value)
        vectors[name] = tuple(float(value) for value in values[name])
    if len({len(vector) for vector in vectors.values()}) != 1:
        raise ValueError("memory has different numbers of bets")
    if not all(0.0 < size < 1.0 / alpha for size in vectors["sizes"]):
        raise ValueError("memory.sizes is not between 0 and 1 / alpha")
    if min(vectors["log_started"]) < 0.0:
        raise ValueError("memory.log_started is negative")
    for name in ("errors", "weighted_wrong", "weighted_right"):
        _check_number(f"memory.{name}", values[name])
    audits = values["audits"]
    _check_count("memory.audits", audits, least=0)
    if not 0.0 <= values["weighted_wrong"] <= values["errors"] <= audits:
        raise ValueError("memory.errors does not fit the audits")
    for name in ("alarm_audit", "breach_audit"):
        if values[name] is not None:
            _check_count(f"memory.{name}", values[name], least=1)
            if values[name] > audits:
                raise ValueError(f"memory.{name} is later than the last audit")
    return Memory(**(values | vectors))


def _check_keys(where: str, values: Any, names: set[str]) -> None:
    if not isinstance(values, dict):
        raise ValueError(f"{where} is not an object")
    for key in sorted(names ^ values.keys()):
        raise ValueError(f"{where} key {key} is {'missing' if key in names else 'unknown'}")


def _check_number(where: str, value: Any) -> None:
    # Not isinstance: a bool is an int there.
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(f"{where} is not a number")


def _check_count(where: str, value: Any, least: int) -> None:
    if type(value) is not int or value < least:
        raise ValueError(f"{where} is not a whole number from {least}")
