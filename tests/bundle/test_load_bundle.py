"""A bundle gives the coder that was sealed; what does not fit is told in one line."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import safetensors.torch
import torch

import surecode
from surecode.bundle.load import load_bundle, load_trained
from surecode.bundle.seal import seal
from surecode.bundle.weights import read_weights
from surecode.calibration.probabilities import ProbabilityCalibrator
from surecode.encounter import Encounter
from surecode.errors import InputError
from surecode.files import read_json, write_json

TODAY = date(2026, 4, 1)
NOTE = "Productive cough for 4 days. Consolidation in the right lower lobe."
TRAINED = (
    "adapter/adapter_model.safetensors",
    "coder.json",
    "encoder.lock.json",
    "head.safetensors",
    "label_space.json",
    "tokenizer/tokenizer.json",
)
CHOSEN = ("calibrator.json", "certificate.json", "evidence.json")


@pytest.fixture
def bundle(sealed_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sealed_bundle, tmp_path / "bundle"))


@pytest.fixture(scope="module")
def coder(sealed_bundle: Path) -> surecode.Coder:
    return surecode.load(sealed_bundle)


# ---- the same coder ------------------------------------------------------------------------------


def test_two_loads_give_byte_equal_records(
    sealed_bundle: Path, coder: surecode.Coder, encounter_of: Callable[..., Encounter]
) -> None:
    encounter = encounter_of(NOTE, "A second document: no pneumothorax.")
    again = surecode.load(str(sealed_bundle))
    assert again.code(encounter, TODAY).to_json() == coder.code(encounter, TODAY).to_json()


def test_written_weights_are_read_back_bit_for_bit(bundle: Path) -> None:
    first = read_weights(bundle)
    for name, state in (
        ("adapter/adapter_model.safetensors", first.adapter),
        ("head.safetensors", first.head),
    ):
        (bundle / name).write_bytes(safetensors.torch.save(state))
    assert read_weights(bundle).sha256 == first.sha256


def test_a_coder_fresh_from_training_gives_logits_and_no_records(sealed_bundle: Path) -> None:
    trained = load_trained(sealed_bundle)
    assert (trained.calibrator, trained.evidence, trained.certificate) == (None, None, None)
    with pytest.raises(InputError, match="not calibrated; run `surecode calibrate` first"):
        trained.code(NOTE, TODAY)


# ---- the certificate in force --------------------------------------------------------------------


def test_a_certified_bundle_codes_autonomously(coder: surecode.Coder) -> None:
    record = coder.code(NOTE, TODAY)
    assert (record.mode, record.route) == ("autonomous", "auto")
    assert coder.certificate is not None
    assert record.certificate_id == coder.certificate.id
    assert record.threshold == 0.0


@pytest.mark.parametrize("today", [date(2026, 10, 1), date(2027, 1, 1)])
def test_an_expired_certificate_sends_all_to_review(coder: surecode.Coder, today: date) -> None:
    record = coder.code(NOTE, today)
    assert (record.mode, record.route) == ("assist", "review")
    assert record.reasons == ("the certificate does not hold: expired on 2026-10-01",)


def voided(bundle: Path, part: str) -> None:
    """The sealed bundle with another part loads, and its certificate is void."""
    seal(bundle)
    record = surecode.load(bundle).code(NOTE, TODAY)
    reason = f"the certificate does not hold: the hash of {part} differs from the certified one"
    assert (record.mode, record.route, record.reasons) == ("assist", "review", (reason,))


@pytest.mark.parametrize("name", ["head.safetensors", "adapter/adapter_model.safetensors"])
def test_other_weights_void_the_certificate(bundle: Path, name: str) -> None:
    state = safetensors.torch.load_file(bundle / name)
    first = next(iter(state))
    state[first] = state[first] + torch.finfo(torch.float32).eps
    (bundle / name).write_bytes(safetensors.torch.save(state))
    voided(bundle, "model")


def test_another_calibrator_voids_the_certificate(bundle: Path) -> None:
    values = read_json(bundle / "calibrator.json", "")
    values["decoding"]["threshold"] = 0.06
    write_json(bundle / "calibrator.json", values)
    voided(bundle, "calibrator")


def test_other_windows_void_the_certificate(bundle: Path) -> None:
    settings = read_json(bundle / "coder.json", "")
    settings["encoder"]["window_length"] = 48
    write_json(bundle / "coder.json", settings)
    voided(bundle, "coder")


def test_another_tokenizer_voids_the_certificate(bundle: Path) -> None:
    path = bundle / "tokenizer" / "tokenizer.json"
    tokenizer = read_json(path, "")
    tokenizer["normalizer"]["lowercase"] = False
    write_json(path, tokenizer)
    voided(bundle, "tokenizer")


def test_a_calibrator_put_in_place_of_another_voids_the_certificate(coder: surecode.Coder) -> None:
    void = replace(coder, hashes=coder.hashes | {"calibrator": "another"})
    assert void.code(NOTE, TODAY).route == "review"


# ---- what does not fit ---------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"a": 1}', b"\xff\xfe"])
@pytest.mark.parametrize("name", TRAINED + CHOSEN)
def test_damage_before_sealing_is_told_in_one_line(bundle: Path, name: str, content: bytes) -> None:
    (bundle / name).write_bytes(content)
    with pytest.raises(InputError) as refused:
        load_bundle(bundle, sealed=False)
    line = str(refused.value)
    assert "\n" not in line
    assert str(bundle / Path(name).parts[0]) in line
    assert "; " in line


@pytest.mark.parametrize("name", TRAINED)
def test_a_file_of_training_is_needed(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    with pytest.raises(InputError, match="bundle"):
        load_bundle(bundle, sealed=False)


@pytest.mark.parametrize("name", CHOSEN)
def test_training_does_not_need_what_later_stages_write(bundle: Path, name: str) -> None:
    (bundle / name).write_bytes(b"{")
    assert len(load_trained(bundle).label_space) == 3


def test_weights_of_another_network_are_refused(bundle: Path) -> None:
    state = safetensors.torch.load_file(bundle / "head.safetensors")
    fewer = {name: tensor[:2].contiguous() for name, tensor in state.items()}
    (bundle / "head.safetensors").write_bytes(safetensors.torch.save(fewer))
    with pytest.raises(InputError, match="the head's weights do not fit the network"):
        load_bundle(bundle, sealed=False)


def test_another_encoder_than_the_locked_one_is_refused(bundle: Path) -> None:
    lock = read_json(bundle / "encoder.lock.json", "")
    write_json(bundle / "encoder.lock.json", lock | {"sha256": "0" * 64})
    with pytest.raises(InputError, match=r"its weights have sha256 53aa51172d14…, expected 0000"):
        load_bundle(bundle, sealed=False)


def test_a_calibrator_is_hashed_by_what_it_does(coder: surecode.Coder) -> None:
    from surecode.bundle.load import certified_hashes

    assert coder.calibrator is not None
    equal = replace(coder.calibrator, probabilities=ProbabilityCalibrator())
    assert certified_hashes(coder.hashes, equal, coder.evidence) == coder.hashes
    steeper = replace(coder.calibrator, probabilities=ProbabilityCalibrator(slope=2.0))
    assert certified_hashes(coder.hashes, steeper, coder.evidence) != coder.hashes
