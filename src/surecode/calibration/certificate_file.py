"""``certificate.json``: written whole or not at all, read with every key and type checked."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from surecode.calibration.certificate import Certificate, Target
from surecode.errors import InputError
from surecode.files import write_text

_KINDS: dict[str, tuple[type, ...]] = {
    "id": (str,),
    "specialty": (str,),
    "target": (dict,),
    "method": (str,),
    "certified": (bool,),
    "reason": (str,),
    "threshold": (float, type(None)),
    "n_calibrate": (int,),
    "n_eligible": (int,),
    "start_n": (int,),
    "n_selected": (int,),
    "errors": (int,),
    "p_value": (float,),
    "accuracy_lower_bound": (float,),
    "automation_rate": (float,),
    "automation_rate_interval": (list,),
    "grid_hash": (str,),
    "split_fingerprint": (str,),
    "hashes": (dict,),
    "created": (str,),
    "expires": (str,),
    "assumptions": (list,),
}
_TARGET_KINDS: dict[str, tuple[type, ...]] = {
    "metric": (str,),
    "level": (float,),
    "delta": (float,),
}
_NAMES = {str: "text", bool: "true or false", int: "a whole number", float: "a decimal number"}
_NAMES |= {dict: "an object", list: "a list", type(None): "null"}


def write_certificate(certificate: Certificate, path: Path) -> None:
    """Write ``path`` as JSON; floats are written so that they read back exactly."""
    text = json.dumps(asdict(certificate), indent=2, allow_nan=False, default=date.isoformat)
    write_text(path, text + "\n")


def read_certificate(path: Path) -> Certificate:
    """The certificate in ``path``.

    Raises `InputError` where the file is absent or no JSON, a key is missing or unknown, a value
    has the wrong type, or the content does not fit the id.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); run surecode calibrate first"
        ) from None
    except ValueError:
        raise InputError(f"{path}: is not JSON; run surecode calibrate again") from None
    try:
        certificate = _certificate(values)
    except ValueError as error:
        raise InputError(f"{path}: {error}; run surecode calibrate again") from None
    if certificate.with_id().id != certificate.id:
        raise InputError(
            f"{path}: the content does not fit the id, so it was changed after it was written; "
            "run surecode calibrate again"
        )
    return certificate


def _certificate(values: Any) -> Certificate:
    _check("certificate", values, _KINDS)
    _check("target", values["target"], _TARGET_KINDS)
    for i, limit in enumerate(values["automation_rate_interval"]):
        _check_value(f"automation_rate_interval[{i}]", limit, (float,))
    for i, sentence in enumerate(values["assumptions"]):
        _check_value(f"assumptions[{i}]", sentence, (str,))
    for name, value in values["hashes"].items():
        _check_value(f"hashes.{name}", value, (str,))
    return Certificate(
        **values
        | {
            "target": Target(**values["target"]),
            "automation_rate_interval": tuple(values["automation_rate_interval"]),
            "created": date.fromisoformat(values["created"]),
            "expires": date.fromisoformat(values["expires"]),
            "assumptions": tuple(values["assumptions"]),
        }
    )


def _check(where: str, values: Any, kinds: dict[str, tuple[type, ...]]) -> None:
    _check_value(where, values, (dict,))
    for key in sorted(kinds.keys() ^ values.keys()):
        raise ValueError(f"{where} key {key} is {'missing' if key in kinds else 'unknown'}")
    for key, kind in kinds.items():
        _check_value(key, values[key], kind)


def _check_value(where: str, value: Any, kinds: tuple[type, ...]) -> None:
    # Not isinstance: a bool is an int there.
    if type(value) not in kinds:
        raise ValueError(f"{where} is not {' or '.join(_NAMES[kind] for kind in kinds)}")
