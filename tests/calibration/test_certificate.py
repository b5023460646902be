from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surecode.calibration.certificate import (
    Certificate,
    Target,
    expiry_date,
    next_release_date,
    split_fingerprint,
    void_reason,
)
from surecode.calibration.certificate_file import read_certificate, write_certificate
from surecode.calibration.fixed_sequence import certify, quantile_grid
from surecode.errors import InputError

HASHES = {"model": "a" * 64, "calibrator": "b" * 64, "label_space": "c" * 64}


def make(correct_share: float = 1.0, n: int = 120) -> Certificate:
    rng = np.random.default_rng(4)
    confidence = rng.random(n)
    return certify(
        confidence,
        rng.random(n) < correct_share,
        grid=quantile_grid(rng.random(200)),
        encounter_ids=[f"e{i}" for i in range(n)],
        specialty="cardiology",
        created=date(2026, 11, 23),
        expires=date(2027, 10, 1),
        hashes=HASHES,
    )


@pytest.mark.parametrize("correct_share", [1.0, 0.2])
def test_file_round_trip_is_exact(tmp_path: Path, correct_share: float) -> None:
    certificate = make(correct_share)
    path = tmp_path / "certificate.json"
    write_certificate(certificate, path)
    assert read_certificate(path) == certificate
    assert [p.name for p in tmp_path.iterdir()] == ["certificate.json"]


@settings(max_examples=30, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_any_threshold_survives_the_file(
    tmp_path_factory: pytest.TempPathFactory, threshold: float
) -> None:
    path = tmp_path_factory.mktemp("certificate") / "certificate.json"
    write_certificate(replace(make(), threshold=threshold).with_id(), path)
    assert read_certificate(path).threshold == threshold


def test_id_follows_the_content() -> None:
    assert make().id == make().id
    assert len({make().id, make(0.2).id, replace(make(), specialty="x").with_id().id}) == 3


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"threshold": 0.0}, "does not fit the id"),
        ({"threshold": "0.9"}, "threshold"),
        ({"treshold": 0.9}, "treshold is unknown"),
        ({"n_selected": True}, "n_selected"),
        ({"errors": 0.0}, "errors"),
        ({"certified": 1}, "certified"),
        ({"created": "yesterday"}, "yesterday"),
        ({"hashes": {"model": 3}}, "hashes.model"),
        ({"assumptions": [1]}, "assumptions"),
        ({"automation_rate_interval": [0, 1]}, "automation_rate_interval"),
        ({"target": {"metric": "exact", "level": 0.95}}, "delta is missing"),
        ({"target": {"metric": "f1", "level": 0.95, "delta": 0.1}}, "f1"),
        ({"target": []}, "target"),
    ],
)
def test_reading_refuses_what_was_changed(
    tmp_path: Path, changes: dict[str, Any], named: str
) -> None:
    path = tmp_path / "certificate.json"
    write_certificate(make(), path)
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(InputError) as refused:
        read_certificate(path)
    assert named in str(refused.value)
    assert "certificate.json" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_reading_refuses_a_missing_key(tmp_path: Path) -> None:
    path = tmp_path / "certificate.json"
    write_certificate(make(), path)
    values = json.loads(path.read_text())
    del values["expires"]
    path.write_text(json.dumps(values))
    with pytest.raises(InputError, match="expires is missing"):
        read_certificate(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "\x00"])
def test_reading_refuses_what_is_no_certificate(tmp_path: Path, text: str) -> None:
    path = tmp_path / "certificate.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"certificate\.json"):
        read_certificate(path)


def test_reading_refuses_bytes_and_absence(tmp_path: Path) -> None:
    path = tmp_path / "certificate.json"
    with pytest.raises(InputError, match="run surecode calibrate first"):
        read_certificate(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not JSON"):
        read_certificate(path)


def test_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "certificate.json"
    write_certificate(make(), path)
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_certificate(replace(make(), p_value=float("nan")), path)
    assert read_certificate(path) == make()
    assert [p.name for p in tmp_path.iterdir()] == ["certificate.json"]


def test_void_reasons() -> None:
    certificate = make()
    day = date(2027, 1, 1)
    assert void_reason(certificate, HASHES, day) is None
    assert void_reason(certificate, HASHES, date(2027, 9, 30)) is None
    assert void_reason(certificate, HASHES, date(2027, 10, 1)) == "expired on 2027-10-01"
    changed = void_reason(certificate, HASHES | {"model": "d"}, day)
    assert changed == "the hash of model differs from the certified one"
    assert "rules" in str(void_reason(certificate, HASHES | {"rules": "d"}, day))
    assert "calibrator" in str(void_reason(certificate, {}, day))
    assert "nothing is certified: error too high" in str(void_reason(make(0.2), HASHES, day))


@pytest.mark.parametrize(
    ("created", "release"),
    [
        (date(2026, 9, 30), date(2026, 10, 1)),
        (date(2026, 10, 1), date(2027, 10, 1)),
        (date(2026, 12, 31), date(2027, 10, 1)),
    ],
)
def test_next_release_date(created: date, release: date) -> None:
    assert next_release_date(created) == release


def test_expiry_is_the_sooner_of_release_and_days() -> None:
    assert expiry_date(date(2026, 9, 1), 365) == date(2026, 10, 1)
    assert expiry_date(date(2026, 11, 1), 90) == date(2027, 1, 30)
    with pytest.raises(InputError, match="valid_days"):
        expiry_date(date(2026, 11, 1), 0)


def test_split_fingerprint_is_that_of_a_set() -> None:
    assert split_fingerprint(["b", "a"]) == split_fingerprint(["a", "b"])
    assert split_fingerprint(["a", "b"]) != split_fingerprint(["a", "c"])
    assert split_fingerprint(["a", "b"]) != split_fingerprint(['a", "b'])
    with pytest.raises(InputError, match="twice"):
        split_fingerprint(["a", "a"])


@pytest.mark.parametrize("level", [0.0, 1.0, 95, float("nan")])
def test_target_refuses_what_is_no_share(level: Any) -> None:
    with pytest.raises(InputError, match="level"):
        Target(level=level)
