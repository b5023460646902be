"""A bundle's folder → a coder ready to code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from transformers import PreTrainedTokenizerBase

from surecode.bundle import layout
from surecode.bundle.seal import verify
from surecode.bundle.weights import CoderSettings, read_weights
from surecode.calibration.certificate_file import read_certificate
from surecode.calibrator import Calibrator
from surecode.coder.build import build_network
from surecode.coder.encoder import file_sha256, tokenizer_from
from surecode.coder.network import Network
from surecode.coder.runtime import Runtime, as_coding
from surecode.codes.label_space import LabelSpace
from surecode.coding import Coder
from surecode.data.windows import Windower
from surecode.errors import InputError
from surecode.evidence.policy import EvidencePolicy
from surecode.files import read_json, write_json
from surecode.hybrid.reader import TermReader
from surecode.hybrid.sentences import Embedder
from surecode.hybrid.similarity import DescriptionSimilarity
from surecode.hybrid.titles import Titles
from surecode.hybrid.word_network import WordNetwork

TRAIN = "run `surecode train` again, or fetch the bundle anew"
CALIBRATE = "run `surecode calibrate` again, or fetch the bundle anew"


def load_bundle(folder: Path, sealed: bool = True) -> Coder:
    """Load a coder.

    Args:
        folder: the bundle.
        sealed: check the manifest first; False for the bundle of a run that is not registered yet.

    Raises:
        InputError: a file is missing, damaged or changed, or the encoder's weights are not those
            of the lock.
    """
    if sealed and folder.is_dir():
        verify(folder)
    coder = load_trained(folder)
    calibrator = _calibrator(folder / layout.CALIBRATOR)
    evidence = _evidence_policy(folder / layout.EVIDENCE)
    certificate = folder / layout.CERTIFICATE
    return replace(
        coder,
        evidence=evidence,
        hashes=certified_hashes(coder.hashes, calibrator, evidence),
        calibrator=calibrator,
        certificate=read_certificate(certificate) if certificate.exists() else None,
    )


def load_trained(folder: Path, runtime: Runtime | None = None) -> Coder:
    """Load what training wrote, and nothing that later stages add: a coder that gives logits.

    ``runtime`` is the arithmetic to code in, by default the bundle's own, and fp32 before there is
    one.

    Raises:
        InputError: as `load_bundle`.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no bundle here; run `surecode train` first")
    settings = _settings(folder)
    label_space = LabelSpace.read(folder / layout.LABEL_SPACE)
    chosen = runtime or read_runtime(folder)
    network, model, columns, terms = None, None, None, None
    if settings.kind != "lexicon":
        space = label_space
        if settings.kind == "hybrid":
            space = LabelSpace.read(folder / layout.NETWORK_CODES)
            columns = tuple(label_space.index(code) for code in space.codes)
        network, model = _network(folder, settings, len(space), chosen)
    if settings.kind != "neural":
        titles = _titles(folder, settings)
        tagger = folder / layout.TAGGER
        words = WordNetwork.read(tagger) if tagger.exists() else None
        terms = TermReader.from_dict(read_json(folder / layout.TERMS, TRAIN), titles, words)
        if (terms.joint is None) != (network is None) or not terms.is_whole:
            raise InputError(f"{folder / layout.TERMS}: is of another kind of coder; {TRAIN}")
    coder = _coder(folder, settings, network, label_space, chosen)
    hashes = {
        "model": model or file_sha256(folder / layout.TERMS),
        "label_space": label_space.hash,
        "coder": file_sha256(folder / layout.CODER),
        "tokenizer": file_sha256(folder / layout.TOKENIZER_FILE),
        "runtime": _sha256(chosen.to_dict()),
    }
    if terms is not None:
        hashes["terms"] = file_sha256(folder / layout.TERMS)
    if terms is not None and terms.titles is not None:
        hashes["similarity"] = file_sha256(folder / layout.SIMILARITY)
    if (folder / layout.TAGGER).exists():
        hashes["tagger"] = file_sha256(folder / layout.TAGGER)
    return replace(
        coder,
        hashes=hashes,
        terms=terms,
        columns=columns,
        disagreement=settings.disagreement == "review",
    )


def load_network(folder: Path) -> Coder:
    """The network that a hybrid is being made from, in fp32, before terms join it.

    Its label space is that of `write_weights`, still the network's own.
    """
    settings = _settings(folder)
    space = LabelSpace.read(folder / layout.LABEL_SPACE)
    runtime = Runtime("fp32", "sdpa")
    network, _ = _network(folder, settings, len(space), runtime)
    return _coder(folder, settings, network, space, runtime)


def _coder(
    folder: Path,
    settings: CoderSettings,
    network: Network | None,
    space: LabelSpace,
    runtime: Runtime,
) -> Coder:
    """A coder without terms, and without the hashes that a record names it by."""
    tokenizer, encoder = _tokenizer(folder), settings.encoder
    return Coder(
        specialty=settings.specialty,
        include=settings.include,
        network=network,
        windower=Windower(tokenizer, encoder.window_length, encoder.window_overlap),
        padding_id=int(tokenizer.pad_token_id or 0),
        label_space=space,
        hashes={},
        runtime=runtime.name,
    )


def _network(
    folder: Path, settings: CoderSettings, codes: int, runtime: Runtime
) -> tuple[Network, str]:
    """The network of so many codes, ready to code in a runtime, and its weights' sha256."""
    weights = read_weights(folder)
    encoder = settings.encoder.model_copy(update={"sha256": weights.lock.sha256})
    network, _ = build_network(encoder, settings.adapter, settings.head, codes, runtime.attention)
    network.load_state(weights.adapter, weights.head)
    network.merge_adapter()
    network.eval().requires_grad_(False)
    as_coding(network, runtime)
    return network, weights.sha256


def _titles(folder: Path, settings: CoderSettings) -> Titles | None:
    """Wordings of codes, with the encoder that embedded them, where the coder looks at them."""
    if not (folder / layout.SIMILARITY).exists():
        return None
    similarity = DescriptionSimilarity.read(folder / layout.SIMILARITY)
    encoder = settings.encoder.model_copy(update={"sha256": similarity.encoder})
    return Titles(similarity, Embedder.load(encoder))


def read_runtime(folder: Path) -> Runtime:
    """The arithmetic that a bundle is calibrated for; fp32 where it is not calibrated yet."""
    path = folder / layout.RUNTIME
    if not path.exists():
        return Runtime("fp32", "sdpa")
    try:
        return Runtime.from_dict(read_json(path, CALIBRATE))
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{path}: is damaged; {CALIBRATE}") from None


def certified_hashes(
    trained: Mapping[str, str], calibrator: Calibrator | None, evidence: EvidencePolicy | None
) -> dict[str, str]:
    """What a certificate is made for: a change of any of these voids it.

    ``trained`` are the hashes of a coder that was not calibrated yet. The rules are those by which
    evidence sends an encounter to a person.
    """
    if calibrator is None or evidence is None:
        return dict(trained)
    return {
        **trained,
        "calibrator": _sha256(calibrator.to_dict()),
        "rules": evidence.fingerprint,
    }


def write_calibrator(
    folder: Path, calibrator: Calibrator, evidence: EvidencePolicy, runtime: Runtime
) -> None:
    """Add to a bundle what is chosen after training, which breaks its seal."""
    (folder / layout.MANIFEST).unlink(missing_ok=True)
    write_json(folder / layout.RUNTIME, runtime.to_dict())
    write_json(folder / layout.CALIBRATOR, calibrator.to_dict())
    write_json(folder / layout.EVIDENCE, evidence.to_dict())


def _sha256(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _evidence_policy(path: Path) -> EvidencePolicy | None:
    if not path.exists():
        return None
    try:
        return EvidencePolicy.from_dict(read_json(path, CALIBRATE))
    except (TypeError, ValueError):
        raise InputError(f"{path}: is damaged; {CALIBRATE}") from None


def _calibrator(path: Path) -> Calibrator | None:
    if not path.exists():
        return None
    values = read_json(path, CALIBRATE)
    try:
        return Calibrator.from_dict(values)
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{path}: is damaged; {CALIBRATE}") from None


def _settings(folder: Path) -> CoderSettings:
    try:
        return CoderSettings.model_validate(read_json(folder / layout.CODER, TRAIN))
    except ValidationError:
        raise InputError(f"{folder / layout.CODER}: is damaged; {TRAIN}") from None


def _tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    # Without the file the library makes do with an empty vocabulary.
    if not (folder / layout.TOKENIZER_FILE).is_file():
        raise InputError(f"{folder / layout.TOKENIZER_FILE}: not found; {TRAIN}")
    try:
        return tokenizer_from(folder / layout.TOKENIZER)
    except Exception:  # a damaged file trips the library up in many ways
        raise InputError(
            f"{folder / layout.TOKENIZER}: the tokenizer is damaged; {TRAIN}"
        ) from None
