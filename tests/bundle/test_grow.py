"""Adding codes to a bundle: a tiny encoder in a folder, a head of descriptions, a certificate."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertModel, PreTrainedTokenizerBase

from surecode.bundle.grow import add_codes
from surecode.bundle.load import certified_hashes, load_bundle, load_trained, write_calibrator
from surecode.bundle.seal import seal, verify
from surecode.bundle.weights import CoderSettings, read_weights, write_weights
from surecode.calibration.certificate import Certificate
from surecode.calibration.certificate_file import write_certificate
from surecode.calibration.confidence_model import ConfidenceModel
from surecode.calibration.decoding import Decoding
from surecode.calibration.probabilities import ProbabilityCalibrator
from surecode.calibrator import Calibrator
from surecode.coder.build import build_network
from surecode.coder.heads.descriptions import Descriptions
from surecode.coder.heads.embed import embed_descriptions
from surecode.coder.runtime import Runtime
from surecode.codes.descriptions import describe, description_texts
from surecode.codes.label_space import LabelSpace
from surecode.data.windows import Windower
from surecode.encounter import Code, Encounter
from surecode.errors import InputError
from surecode.evidence.policy import EvidencePolicy
from surecode.evidence.span_policy import SpanPolicy
from surecode.files import read_json, write_json
from surecode.settings import AdapterSettings, EncoderSettings, HeadSettings

DAY = date(2026, 3, 31)
CHEST, PNEUMONIA, COUGH = (
    Code("CPT", "71046"),
    Code("ICD-10-CM", "J18.9"),
    Code("ICD-10-CM", "R05.9"),
)
FEVER, EFFUSION = Code("ICD-10-CM", "R50.9"), Code("ICD-10-CM", "J90")
CODES = (CHEST, PNEUMONIA, COUGH)
TEXTS = ("fever and coughing with pain of the chest", "no fracture", "pneumonia 3 days")


def write_bundle(
    folder: Path,
    encoder: Path,
    tokenizer: PreTrainedTokenizerBase,
    kind: str,
    certificate_at: Callable[..., Certificate],
) -> Path:
    """A calibrated and certified bundle whose adapter changes what the encoder says."""
    settings = CoderSettings(
        specialty="radiology",
        include={},
        encoder=EncoderSettings(
            name=str(encoder),
            source="hub",
            revision=None,
            sha256=None,
            window_length=16,
            window_overlap=0,
        ),
        adapter=AdapterSettings(
            kind="lora",
            rank=2,
            alpha=4.0,
            dropout=0.0,
            target_modules="all_linear",
            layers=None,
            learning_rate=1e-3,
        ),
        head=HeadSettings.model_validate({"kind": kind, "projection": 8, "code_chunk": 2}),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network, lock = build_network(settings.encoder, settings.adapter, settings.head, len(CODES))
        if isinstance(network.head, Descriptions):
            texts = description_texts(CODES, None)
            windower = Windower(tokenizer, settings.encoder.window_length)
            network.head.describe(*embed_descriptions(network.encode, windower, 0, texts))
        for parameter in network.parameters():
            if parameter.requires_grad:
                torch.nn.init.normal_(parameter, std=0.3)
    write_weights(folder, network, lock, LabelSpace(CODES), tokenizer, settings)
    calibrator = Calibrator(
        ProbabilityCalibrator(2.0, 0.5), Decoding(0.05), ConfidenceModel.product()
    )
    policy = EvidencePolicy(SpanPolicy(0.6, 1, 3), deletion="none", doubts=())
    write_calibrator(folder, calibrator, policy, Runtime("fp32", "sdpa"))
    certificate = certificate_at(
        0.0, certified_hashes(load_trained(folder).hashes, calibrator, policy), DAY
    )
    write_certificate(certificate, folder / "certificate.json")
    (folder / "card.md").write_text("# a bundle for tests\n")
    return folder


@pytest.fixture(scope="module")
def encoder(
    tmp_path_factory: pytest.TempPathFactory,
    tiny_encoder: Callable[[], BertModel],
    tiny_tokenizer: PreTrainedTokenizerBase,
) -> Path:
    folder = tmp_path_factory.mktemp("encoder")
    tiny_encoder().save_pretrained(folder)
    tiny_tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def bundle(
    tmp_path_factory: pytest.TempPathFactory,
    encoder: Path,
    tiny_tokenizer: PreTrainedTokenizerBase,
    certificate_at: Callable[..., Certificate],
) -> Path:
    folder = tmp_path_factory.mktemp("described") / "bundle"
    write_bundle(folder, encoder, tiny_tokenizer, "descriptions", certificate_at)
    seal(folder)
    return folder


def logits(folder: Path, encounters: Sequence[Encounter]) -> np.ndarray:
    return np.stack(list(load_bundle(folder).logits(encounters)))


def test_the_new_bundle_knows_more_and_says_the_same_of_the_old_codes(
    bundle: Path, encounter_of: Callable[..., Encounter], tmp_path: Path
) -> None:
    target = tmp_path / "new" / "bundle"
    figures = add_codes(bundle, [FEVER, EFFUSION], target, today=DAY)
    coder = load_bundle(target)
    assert coder.label_space.codes == (CHEST, PNEUMONIA, EFFUSION, COUGH, FEVER)
    encounters = [encounter_of(text) for text in TEXTS]
    before, after = logits(bundle, encounters), logits(target, encounters)
    np.testing.assert_allclose(after[:, [0, 1, 3]], before, atol=1e-5)
    new = after[:, [2, 4]]
    assert np.ptp(new, axis=0).min() > 1e-3  # they read the note
    assert figures == {
        "added": ["ICD-10-CM:J90", "ICD-10-CM:R50.9"],
        "codes": 5,
        "label_space": coder.label_space.hash,
        "model": coder.hashes["model"],
        "manifest": figures["manifest"],
    }
    assert coder.hashes["model"] != load_bundle(bundle).hashes["model"]


def test_no_description_of_an_old_code_raises_a_new_one_above_its_prior(
    bundle: Path, encounter_of: Callable[..., Encounter], tmp_path: Path
) -> None:
    add_codes(bundle, [FEVER, EFFUSION], tmp_path / "bundle", today=DAY)
    prior = float(torch.quantile(read_weights(bundle).head["bias"], 0.1))
    # A CPT code has no description and so no say.
    texts = [text for text in description_texts(CODES, None) if text is not None]
    assert len(texts) == 2
    new = logits(tmp_path / "bundle", [encounter_of(text) for text in texts])[:, [2, 4]]
    biases = read_weights(tmp_path / "bundle").head["bias"][[2, 4]].numpy()
    assert (new.max(axis=0) <= prior + 1e-4).all()
    # Lowered by just as much as it takes, and never raised.
    assert (biases <= prior + 1e-6).all()
    lowered = biases < prior - 1e-6
    assert lowered.any()
    np.testing.assert_allclose(new.max(axis=0)[lowered], prior, atol=1e-4)


def test_nothing_is_automated_before_a_new_certificate(bundle: Path, tmp_path: Path) -> None:
    assert load_bundle(bundle).certificate is not None
    target = tmp_path / "bundle"
    add_codes(bundle, [FEVER], target, today=DAY)
    coder = load_bundle(target)
    assert coder.certificate is None
    assert coder.calibrator == load_bundle(bundle).calibrator
    record = coder.code(TEXTS[0], today=DAY)
    assert (record.mode, record.route) == ("assist", "review")
    assert "ICD-10-CM:R50.9" in (target / "card.md").read_text()
    assert "no certificate" in (target / "card.md").read_text().replace("\n", " ")


def test_offsets_move_with_their_codes(bundle: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "bundle"
    shutil.copytree(bundle, source)
    (source / "manifest.json").unlink()
    values = read_json(source / "calibrator.json", "")
    values["probabilities"] = ProbabilityCalibrator(2.0, 0.5, (0.1, -0.2, 0.3)).to_dict()
    write_json(source / "calibrator.json", values)
    add_codes(source, [FEVER, EFFUSION], target, today=DAY)
    before, after = (load_bundle(folder, sealed=False) for folder in (source, target))
    assert before.calibrator is not None
    assert after.calibrator is not None
    moved = ProbabilityCalibrator(2.0, 0.5, (0.1, -0.2, 0.0, 0.3, 0.0))
    assert after.calibrator == replace(before.calibrator, probabilities=moved)
    assert after.hashes["calibrator"] != before.hashes["calibrator"]
    probability = {c.value: c.probability for c in before.code(TEXTS[2], today=DAY).codes}
    again = {c.value: c.probability for c in after.code(TEXTS[2], today=DAY).codes}
    assert probability
    assert {value: again[value] for value in probability} == pytest.approx(probability, abs=1e-5)


def test_the_source_is_left_as_it_is(bundle: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in bundle.rglob("*") if path.is_file()}
    add_codes(bundle, [FEVER], tmp_path / "bundle", today=DAY)
    assert {path: path.read_bytes() for path in bundle.rglob("*") if path.is_file()} == before
    verify(bundle)


def test_a_description_is_embedded_as_it_was_at_training(bundle: Path, tmp_path: Path) -> None:
    """By the base encoder: this bundle's adapter changes every state."""
    own = tmp_path / "own.csv"
    own.write_text(f'system,value,text\nICD-10-CM,R50.9,"{describe(PNEUMONIA)}"\n')
    add_codes(bundle, [FEVER], tmp_path / "bundle", own, today=DAY)
    embedding = read_weights(tmp_path / "bundle").head["embedding"]
    torch.testing.assert_close(embedding[3], embedding[1], atol=1e-4, rtol=1e-4)
    assert (embedding[3] - embedding[2]).abs().max() > 0.1


def test_a_code_without_a_title_is_added_by_its_own_description(
    bundle: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own.csv"
    own.write_text("system,value,text\nCPT,71045,chest x-ray\n")
    add_codes(bundle, [Code("CPT", "71045")], tmp_path / "bundle", own, today=DAY)
    assert len(load_bundle(tmp_path / "bundle").label_space) == 4


def test_codes_can_be_added_twice(bundle: Path, tmp_path: Path) -> None:
    add_codes(bundle, [FEVER], tmp_path / "one", today=DAY)
    add_codes(tmp_path / "one", [EFFUSION], tmp_path / "two", today=DAY)
    add_codes(bundle, [EFFUSION, FEVER], tmp_path / "both", today=DAY)
    two, both = (read_weights(tmp_path / name).head for name in ("two", "both"))
    torch.testing.assert_close(two["embedding"], both["embedding"], atol=1e-4, rtol=1e-4)


def test_a_bundle_that_is_not_sealed_gives_one_that_is_not(bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(bundle, tmp_path / "open")
    (tmp_path / "open" / "manifest.json").unlink()
    figures = add_codes(tmp_path / "open", [FEVER], tmp_path / "bundle", today=DAY)
    assert figures["manifest"] is None
    assert not (tmp_path / "bundle" / "manifest.json").exists()
    assert FEVER in load_bundle(tmp_path / "bundle", sealed=False).label_space


@pytest.mark.parametrize(
    ("added", "what"),
    [
        ([], "no code is named"),
        ([COUGH], "code ICD-10-CM:R05.9 is in the label space already"),
        ([FEVER, FEVER], "code ICD-10-CM:R50.9 is named twice"),
        ([Code("CPT", "71045")], "code CPT:71045 has no description"),
        ([Code("ICD-10-CM", "R05")], "code R05 is not in ICD-10-CM FY2026"),
        ([Code("ICD-10-CM", "fever")], "is no ICD-10-CM code"),
    ],
)
def test_what_cannot_be_added_is_refused(
    bundle: Path, tmp_path: Path, added: list[Code], what: str
) -> None:
    with pytest.raises(InputError, match=what) as error:
        add_codes(bundle, added, tmp_path / "bundle", today=DAY)
    assert len(str(error.value).splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_exists_is_not_written_over(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is there already"):
        add_codes(bundle, [FEVER], tmp_path, today=DAY)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_nothing_behind(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(folder: Path) -> str:
        raise OSError(28, "No space left on device", str(folder))

    monkeypatch.setattr("surecode.bundle.grow.seal", fail)
    with pytest.raises(OSError, match="No space left"):
        add_codes(bundle, [FEVER], tmp_path / "bundle", today=DAY)
    assert list(tmp_path.iterdir()) == []


def test_another_kind_of_head_is_refused(
    encoder: Path,
    tiny_tokenizer: PreTrainedTokenizerBase,
    tmp_path: Path,
    certificate_at: Callable[..., Certificate],
) -> None:
    folder = write_bundle(
        tmp_path / "plain", encoder, tiny_tokenizer, "label_attention", certificate_at
    )
    with pytest.raises(InputError, match="train with head=descriptions"):
        add_codes(folder, [FEVER], tmp_path / "bundle", today=DAY)


def test_a_damaged_bundle_is_refused(bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(bundle, tmp_path / "damaged")
    (tmp_path / "damaged" / "calibrator.json").write_text("{}")
    with pytest.raises(InputError, match=r"calibrator.json is damaged"):
        add_codes(tmp_path / "damaged", [FEVER], tmp_path / "bundle", today=DAY)
