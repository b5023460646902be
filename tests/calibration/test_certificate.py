from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surecode.calibration.certificate import (
    Certificate,
    GroupResult,
    TargetResult,
    expiry_date,
    next_release_date,
    split_fingerprint,
    void_reason,
)
from surecode.calibration.certificate_file import (
    SCHEMA,
    certificate_to_json,
    read_certificate,
    write_certificate,
)
from surecode.calibration.certify import certify
from surecode.calibration.protocol import Protocol
from surecode.calibration.sample import Sample
from surecode.calibration.targets import Target, encounter_losses
from surecode.errors import InputError

HASHES = {"model": "a" * 64, "calibrator": "b" * 64, "label_space": "c" * 64}
TARGETS = (Target(), Target("precision", 0.9, average="codes", cap=3.0))


@cache
def make(right: float = 1.0, n: int = 240) -> Certificate:
    """Two targets and two groups; b's encounters are all in calibrate alone."""
    rng = np.random.default_rng(4)

    def sample(prefix: str, count: int, groups: list[str]) -> Sample:
        gold = rng.random((count, 5)) < 0.5
        assigned = np.where((rng.random(count) < right)[:, None], gold, ~gold)
        losses = tuple(encounter_losses(target, assigned, gold) for target in TARGETS)
        names = [f"{prefix}{i}" for i in range(count)]
        return Sample(names, rng.random(count), losses, groups=groups)

    return certify(
        sample("c", n, ["payer=a", "payer=a", "payer=b"] * (n // 3)),
        sample("t", 90, ["payer=a"] * 90),
        Protocol(TARGETS, "bonferroni"),
        specialty="cardiology",
        created=date(2026, 11, 23),
        expires=date(2027, 10, 1),
        hashes=HASHES,
        group_by=("payer",),
    )


def written(tmp_path: Path, certificate: Certificate | None = None) -> tuple[Path, dict[str, Any]]:
    path = tmp_path / "certificate.json"
    write_certificate(certificate or make(), path)
    return path, json.loads(path.read_text())


# ---- the file ------------------------------------------------------------------------------------


@pytest.mark.parametrize("right", [1.0, 0.2])
def test_round_trip_is_exact(tmp_path: Path, right: float) -> None:
    path, values = written(tmp_path, make(right))
    read = read_certificate(path)
    assert read == make(right)
    assert certificate_to_json(read) == path.read_text()
    assert values["schema"] == SCHEMA
    assert [p.name for p in tmp_path.iterdir()] == ["certificate.json"]
    assert {type(group) for group in read.groups} == {GroupResult}
    assert isinstance(read.groups[0].results[0], TargetResult)
    assert isinstance(read.targets[1], Target)
    assert make(1.0).certified
    assert not make(0.2).certified


finite = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=40)
@given(finite, finite, finite, st.text(max_size=9), st.integers(0, 2**53))
def test_any_number_and_name_survives_the_file(
    tmp_path_factory: pytest.TempPathFactory,
    threshold: float,
    errors: float,
    rate: float,
    name: str,
    count: int,
) -> None:
    group = make().groups[0]
    result = replace(group.results[0], errors=errors, estimate=None, lower_bound=rate)
    group = replace(
        group,
        threshold=threshold,
        automation_rate_interval=(rate, errors),
        name=name,
        n_selected=count,
        results=(result, group.results[1]),
    )
    certificate = replace(make(), groups=(group,), specialty=name).with_id()
    path = tmp_path_factory.mktemp("certificate") / "certificate.json"
    write_certificate(certificate, path)
    assert read_certificate(path) == certificate


def test_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path, _ = written(tmp_path)
    group = replace(make().groups[0], automation_rate=float("nan"))
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_certificate(replace(make(), groups=(group,)), path)
    assert read_certificate(path) == make()
    assert [p.name for p in tmp_path.iterdir()] == ["certificate.json"]


def refusal(path: Path) -> str:
    """The message of a file that must not be read: one line that names the file and the remedy."""
    with pytest.raises(InputError) as refused:
        read_certificate(path)
    message = str(refused.value)
    assert message.startswith(f"{path}: ")
    assert "run surecode calibrate again" in message
    assert "\n" not in message
    return message


def leaves(values: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where in a JSON value its texts, numbers, truths and nulls are."""
    if isinstance(values, dict):
        return [leaf for key in values for leaf in leaves(values[key], (*place, key))]
    if isinstance(values, list):
        return [leaf for i, item in enumerate(values) for leaf in leaves(item, (*place, i))]
    return [place]


def edited(value: Any) -> Any:
    """Another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1 if value < 1 or value == int(value) else value * 2
    if value is None:
        return 0.5
    for before, after in (("2026-11-23", "2026-11-24"), ("2027-10-01", "2028-10-01")):
        if value == before:
            return after
    return f"{value}x"


def all_leaves() -> list[tuple[Any, ...]]:
    return leaves(json.loads(certificate_to_json(make())))


@pytest.mark.parametrize("place", all_leaves(), ids=lambda place: ".".join(map(str, place)))
def test_a_file_edited_by_hand_is_refused(tmp_path: Path, place: tuple[Any, ...]) -> None:
    path, values = written(tmp_path)
    inner = values
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = edited(inner[place[-1]])
    path.write_text(json.dumps(values))
    refusal(path)


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (lambda v: v["groups"][0].update(threshold=0.0), "does not fit the id"),
        (lambda v: v.update(id="0" * 16), "does not fit the id"),
        (lambda v: v["groups"].pop(), "does not fit the id"),
        (lambda v: v["hashes"].update(rules="d"), "does not fit the id"),
        (lambda v: v.update(treshold=0.9), "treshold"),
        (lambda v: v["groups"][1].update(note="x"), r"groups.1.note"),
        (lambda v: v["targets"][0].update(note="x"), r"targets.0.note"),
        (lambda v: v["groups"][0]["results"][0].update(x=1), r"groups.0.results.0.x"),
        (lambda v: v.pop("expires"), "expires"),
        (lambda v: v["groups"][0].pop("delta"), r"groups.0.delta"),
        (lambda v: v["groups"][0]["results"][0].pop("p_value"), r"results.0.p_value"),
        (lambda v: v["groups"][0].update(threshold="0.9"), r"groups.0.threshold"),
        (lambda v: v["groups"][0].update(n_selected=True), r"groups.0.n_selected"),
        (lambda v: v["groups"][0].update(n_selected=3.0), r"groups.0.n_selected"),
        (lambda v: v["groups"][0].update(certified=1), r"groups.0.certified"),
        (lambda v: v["groups"][0].update(automation_rate_interval=[0.1]), "interval"),
        (lambda v: v["groups"][0].update(automation_rate_interval=[0.1] * 3), "interval"),
        (lambda v: v["groups"][0].update(results={}), r"groups.0.results"),
        (lambda v: v["groups"][0].update(threshold=float("nan")), r"groups.0.threshold"),
        (lambda v: v["groups"][0].update(delta=float("inf")), r"groups.0.delta"),
        (lambda v: v.update(groups=None), "groups"),
        (lambda v: v.update(created="yesterday"), "created"),
        (lambda v: v.update(created=20261123), "created"),
        (lambda v: v.update(created="2026-11-23T00:00:00"), "created"),
        (lambda v: v["hashes"].update(model=3), r"hashes.model"),
        (lambda v: v.update(assumptions=[1]), r"assumptions.0"),
        (lambda v: v.update(family="sidak"), "family"),
        (lambda v: v.update(clustering="both"), "clustering"),
        (lambda v: v["targets"][0].update(metric="accuracy"), r"targets.0.metric"),
        (lambda v: v["targets"][0].update(level=1.5), "level 1.5 must lie strictly between"),
        (lambda v: v["targets"][1].update(cap=None), "precision over codes needs a cap"),
        (lambda v: v["targets"][1].update(cap="3"), r"targets.1.cap"),
        (lambda v: v.update({"two\nlines": 1}), "two lines"),
        (lambda v: v.update(schema="surecode.certificate/1"), f"schema {SCHEMA}"),
        (lambda v: v.pop("schema"), f"schema {SCHEMA}"),
    ],
)
def test_reading_names_what_is_wrong(
    tmp_path: Path, edit: Callable[[dict[str, Any]], Any], named: str
) -> None:
    path, values = written(tmp_path)
    edit(values)
    path.write_text(json.dumps(values))
    assert named in refusal(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'"x"', b"1", b"\x00", b"\xff\xfe\x00", b"[" * 100_000, b"{}"],
)
def test_reading_refuses_what_is_no_certificate(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "certificate.json"
    path.write_bytes(content)
    refusal(path)


def test_reading_refuses_an_absent_file_and_a_folder(tmp_path: Path) -> None:
    assert "not found" in refusal(tmp_path / "certificate.json")
    assert "cannot be read" in refusal(tmp_path)


# ---- the id --------------------------------------------------------------------------------------


def test_id_is_of_the_content_alone() -> None:
    certificate = make()
    assert certificate.id == certificate.with_id().id == replace(certificate, id="").with_id().id
    backwards = dict(reversed(HASHES.items()))
    assert replace(certificate, hashes=backwards).with_id().id == certificate.id
    assert len(certificate.id) == 16
    assert int(certificate.id, 16) >= 0


def other(value: Any) -> Any:
    if isinstance(value, tuple):
        return value[:-1]
    if isinstance(value, dict):
        return value | {"rules": "r"}
    if isinstance(value, date):
        return value.replace(year=value.year + 1)
    return edited(value)


@pytest.mark.parametrize("name", [f.name for f in fields(Certificate) if f.name != "id"])
def test_id_changes_with_every_field(name: str) -> None:
    certificate = make()
    changed = replace(certificate, **{name: other(getattr(certificate, name))})
    assert changed.with_id().id != certificate.id


@pytest.mark.parametrize("name", [f.name for f in fields(GroupResult)])
def test_id_changes_with_every_field_of_a_group(name: str) -> None:
    certificate = make()
    group = certificate.groups[0]
    changed = replace(group, **{name: other(getattr(group, name))})
    groups = (changed, *certificate.groups[1:])
    assert replace(certificate, groups=groups).with_id().id != certificate.id


# ---- what it says --------------------------------------------------------------------------------


def test_groups_of_a_certificate() -> None:
    certificate = make()
    known, unseen = certificate.groups
    assert certificate.group("payer=a") == known
    assert certificate.group("payer=b") == unseen
    assert certificate.group() is None
    assert (known.certified, unseen.certified, certificate.certified) == (True, False, True)
    assert certificate.reason == f"payer=a: certified; payer=b: {unseen.reason}"
    assert certificate.n_calibrate == 240
    assert certificate.automation_rate == known.n_selected / 240
    assert known.p_value == max(result.p_value for result in known.results)
    alone = replace(certificate, groups=(unseen,))
    assert (alone.certified, alone.automation_rate) == (False, 0.0)
    assert alone.reason == unseen.reason
    failed = replace(certificate, groups=(replace(known, certified=False, threshold=None), known))
    assert failed.automation_rate == known.n_selected / (2 * known.n_calibrate)
    nobody = replace(certificate, groups=())
    assert (nobody.certified, nobody.automation_rate, nobody.n_calibrate) == (False, 0.0, 0)


def test_void_reasons() -> None:
    certificate = make()
    day = date(2027, 1, 1)
    assert void_reason(certificate, HASHES, day) is None
    assert void_reason(certificate, HASHES, date(2027, 9, 30)) is None
    assert void_reason(certificate, HASHES, date(2027, 10, 1)) == "expired on 2027-10-01"
    assert void_reason(certificate, HASHES, date(2030, 1, 1)) == "expired on 2027-10-01"
    changed = void_reason(certificate, HASHES | {"model": "d"}, day)
    assert changed == "the hash of model differs from the certified one"
    extra = void_reason(certificate, HASHES | {"rules": "d"}, day)
    assert extra == "the hash of rules differs from the certified one"
    for name in HASHES:
        rest = {key: value for key, value in HASHES.items() if key != name}
        missing = void_reason(certificate, rest, day)
        assert missing == f"the hash of {name} differs from the certified one"
    nothing = void_reason(make(0.2), HASHES, day)
    assert nothing is not None
    assert nothing.startswith("nothing is certified: payer=a: error too high")


# ---- dates and fingerprints ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("created", "release"),
    [
        (date(2026, 9, 30), date(2026, 10, 1)),
        (date(2026, 10, 1), date(2027, 10, 1)),
        (date(2026, 12, 31), date(2027, 10, 1)),
        (date(2027, 1, 1), date(2027, 10, 1)),
    ],
)
def test_next_release_date(created: date, release: date) -> None:
    assert next_release_date(created) == release


def test_expiry_is_the_sooner_of_release_and_days() -> None:
    assert expiry_date(date(2026, 9, 1), 365) == date(2026, 10, 1)
    assert expiry_date(date(2026, 11, 1), 90) == date(2027, 1, 30)
    for days in (0, -1):
        with pytest.raises(InputError, match="valid_days"):
            expiry_date(date(2026, 11, 1), days)


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(1, 3_000))
def test_a_new_certificate_holds_for_a_day_and_no_year_of_codes_longer(
    created: date, days: int
) -> None:
    assert 1 <= (expiry_date(created, days) - created).days <= min(days, 366)


@given(st.lists(st.text(max_size=4), unique=True), st.randoms())
def test_split_fingerprint_is_that_of_a_set(ids: list[str], random: Any) -> None:
    shuffled = ids.copy()
    random.shuffle(shuffled)
    assert split_fingerprint(shuffled) == split_fingerprint(ids)
    assert split_fingerprint([*ids, "an id longer than four"]) != split_fingerprint(ids)


def test_split_fingerprint_tells_ids_apart() -> None:
    assert split_fingerprint(["a", "b"]) != split_fingerprint(['a", "b'])
    assert split_fingerprint([]) != split_fingerprint([""])
    with pytest.raises(InputError, match="twice"):
        split_fingerprint(["a", "b", "a"])
