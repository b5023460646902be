"""What every test stands on: a quiet, offline, single-threaded process with its own MLflow store.

The variables are set before a test imports torch, transformers or mlflow, which read them once.
"""

from __future__ import annotations

import copy
import os
import string
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from surecode.encounter import Document, Encounter

if TYPE_CHECKING:
    from transformers import BertModel, PreTrainedTokenizerBase

    from surecode.calibration.certificate import Certificate
    from surecode.coder.network import Network
    from surecode.coding import Coder

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["DO_NOT_TRACK"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["MPLBACKEND"] = "agg"
# Two xdist workers share the machine; torch, numpy and scikit-learn take one thread each.
for threads in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(threads, "1")

ROOT = Path(__file__).resolve().parents[1]

# The same examples on every machine, and a failing one printed so that it can be pasted back.
settings.register_profile("ci", derandomize=True, deadline=None, database=None, print_blob=True)
settings.load_profile("ci")


@pytest.fixture(scope="session")
def tracking_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The SQLite store of this worker: no test writes `mlflow.db` into the checkout."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture(scope="session", autouse=True)
def _own_measurements(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Which arithmetic is fastest is measured once for all tests, away from the home folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("measured")))
        yield


@pytest.fixture(autouse=True)
def _own_tracking_store(tracking_uri: str) -> Iterator[None]:
    # Not the `monkeypatch` fixture: Hypothesis refuses function-scoped fixtures that it can see.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
        yield
        # mlflow.set_tracking_uri keeps a global of its own, which would leak into the next test.
        if mlflow := sys.modules.get("mlflow"):
            mlflow.set_tracking_uri(tracking_uri)


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """Paths in the folder of public data, `SURECODE_DATA` or `../shared/data`; skips without it."""
    folder = ROOT / os.environ.get("SURECODE_DATA", "../shared/data")

    def path_of(name: str) -> Path:
        path = folder / name
        if not path.exists():
            pytest.skip(f"{name} is not in the data folder; set SURECODE_DATA")
        return path

    return path_of


@pytest.fixture(scope="session")
def encounter_of() -> Callable[..., Encounter]:
    """``encounter_of("first text", "second text", encounter_id="e")``: nothing but texts."""

    def build(*texts: str, encounter_id: str = "e") -> Encounter:
        documents = tuple(Document(f"d{n}", "note", text) for n, text in enumerate(texts))
        return Encounter(
            encounter_id, "p", "radiology", "professional", "x", date(2026, 3, 31), documents
        )

    return build


# ---- a coder small enough for every test: two layers, 32 wide, weights drawn from a seed --------


@pytest.fixture(scope="session")
def tiny_tokenizer() -> PreTrainedTokenizerBase:
    """WordPiece over letters, digits, punctuation and a few words; the rest is [UNK]."""
    from transformers import BertTokenizerFast

    words = ["fever", "cough", "##ing", "pain", "of", "the", "chest", "no", "with", "fracture"]
    pieces = [f"##{letter}" for letter in string.ascii_lowercase + string.digits]
    signs = [*string.ascii_lowercase, *string.digits, *string.punctuation]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, *signs, *pieces]
    return BertTokenizerFast(vocab={word: place for place, word in enumerate(vocabulary)})


@pytest.fixture(scope="session")
def tiny_encoder(tiny_tokenizer: PreTrainedTokenizerBase) -> Callable[[], BertModel]:
    """Fresh copies of one random BERT; wide initial weights, so that texts differ in states."""
    import torch
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=len(tiny_tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.3,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )

    def build() -> BertModel:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return BertModel(copy.deepcopy(config), add_pooling_layer=False).eval()

    return build


@pytest.fixture(scope="session")
def tiny_network(tiny_encoder: Callable[[], BertModel]) -> Callable[..., Network]:
    """``tiny_network(codes=3, layers=None, seed=1)``: adapter and head drawn from the seed.

    PEFT begins with an adapter that changes nothing; here it is drawn as if it had been trained.
    """
    import torch

    from surecode.coder.adapter import adapt
    from surecode.coder.heads.label_attention import LabelAttention
    from surecode.coder.network import Network
    from surecode.coder.packed import allow_packing
    from surecode.settings import AdapterSettings

    def build(
        codes: int = 3, layers: Sequence[int] | None = None, seed: int = 1, packed: bool = True
    ) -> Network:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            settings = AdapterSettings(
                kind="lora",
                rank=2,
                alpha=4.0,
                dropout=0.0,
                target_modules=("query", "value", "dense"),
                layers=None if layers is None else tuple(layers),
                learning_rate=5e-3,
            )
            plain = tiny_encoder()
            packs = packed and allow_packing(plain, "sdpa")
            encoder = adapt(plain, settings)
            for name, parameter in encoder.named_parameters():
                if "lora_B" in name:
                    torch.nn.init.normal_(parameter, std=0.1)
            return Network(encoder, LabelAttention(32, codes, 16), packs).eval()

    return build


@pytest.fixture(scope="session")
def tiny_coder(
    tiny_network: Callable[..., Network], tiny_tokenizer: PreTrainedTokenizerBase
) -> Coder:
    """A calibrated coder of three codes without a certificate; every note gets some code."""
    from surecode.calibration.confidence_model import ConfidenceModel
    from surecode.calibration.decoding import Decoding
    from surecode.calibration.probabilities import ProbabilityCalibrator
    from surecode.calibrator import Calibrator
    from surecode.codes.label_space import LabelSpace
    from surecode.coding import Coder
    from surecode.data.windows import Windower
    from surecode.encounter import Code
    from surecode.evidence.policy import EvidencePolicy
    from surecode.evidence.span_policy import SpanPolicy

    network = tiny_network()
    network.requires_grad_(False)
    return Coder(
        specialty="radiology",
        network=network,
        windower=Windower(tiny_tokenizer, length=32, overlap=4),
        padding_id=0,
        label_space=LabelSpace(
            (Code("CPT", "71046"), Code("ICD-10-CM", "J18.9"), Code("ICD-10-CM", "R05.9"))
        ),
        hashes={"model": "m", "label_space": "l", "calibrator": "c"},
        runtime="torch-cpu",
        calibrator=Calibrator(ProbabilityCalibrator(), Decoding(0.05), ConfidenceModel.product()),
        # Nothing is deleted and nothing doubted: an untrained head finds evidence anywhere.
        evidence=EvidencePolicy(SpanPolicy(0.6, 1, 3), deletion="none", doubts=()),
    )


# ---- a certificate whose threshold is known ------------------------------------------------------


def _certificate_at(
    threshold: float | None,
    hashes: dict[str, str],
    created: date = date(2026, 1, 1),
    group_by: tuple[str, ...] = (),
    names: tuple[str, ...] = ("",),
) -> Certificate:
    """A certificate of radiology until 2026-10-01 with one threshold for every group."""
    from surecode.calibration.certificate import Certificate, GroupResult, TargetResult
    from surecode.calibration.targets import Target

    found = TargetResult("exact binomial", 3.0, 200.0, 0.985, 0.96, 0.01, 0)
    group = GroupResult(
        name="",
        delta=0.1,
        certified=threshold is not None,
        complete=False,
        reason="certified" if threshold is not None else "too few encounters",
        threshold=threshold,
        n_calibrate=500,
        n_eligible=480,
        start_n=77,
        n_selected=200,
        results=(found,),
        automation_rate=0.0 if threshold is None else 0.4,
        automation_rate_interval=(0.36, 0.44),
        grid_hash="g",
    )
    return Certificate(
        id="",
        specialty="radiology",
        targets=(Target(),),
        method="test",
        family="each",
        family_size=len(names),
        clustering="ignore",
        group_by=group_by,
        groups=tuple(replace(group, name=name) for name in names),
        split_fingerprint="s",
        test_number=1,
        hashes=hashes,
        created=created,
        expires=date(2026, 10, 1),
    ).with_id()


@pytest.fixture(scope="session")
def certificate_at() -> Callable[..., Certificate]:
    """`_certificate_at`: threshold, hashes, and by name created, group_by and names."""
    return _certificate_at


# ---- what is read on a page ----------------------------------------------------------------------


def _contrast(first: str, second: str) -> float:
    """WCAG 2.1, of colours such as #1a2b3c: from 1 to 21."""

    def luminance(color: str) -> float:
        channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


@pytest.fixture(scope="session")
def contrast() -> Callable[[str, str], float]:
    """`_contrast`."""
    return _contrast


# ---- a bundle as a registry has it: the real encoder, an untrained head, a certificate -----------


@pytest.fixture(scope="session")
def sealed_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sealed bundle of three codes, certified from 2026-03-31 to 2026-09-30; read it only.

    Every note gets every code, and every confidence reaches the certified threshold.
    """
    import torch

    from surecode.bundle.load import certified_hashes, load_trained, write_calibrator
    from surecode.bundle.seal import seal
    from surecode.bundle.weights import CoderSettings, write_weights
    from surecode.calibration.certificate_file import write_certificate
    from surecode.calibration.confidence_model import ConfidenceModel
    from surecode.calibration.decoding import Decoding
    from surecode.calibration.probabilities import ProbabilityCalibrator
    from surecode.calibrator import Calibrator
    from surecode.coder.build import build_network
    from surecode.coder.encoder import load_tokenizer
    from surecode.coder.runtime import Runtime
    from surecode.codes.label_space import LabelSpace
    from surecode.config import compose_config, parse
    from surecode.encounter import Code
    from surecode.evidence.policy import EvidencePolicy
    from surecode.evidence.span_policy import SpanPolicy
    from surecode.settings import Config

    overrides = ["specialty=radiology", "encoder.window_length=64", "adapter.layers=[5]"]
    config = parse(Config, compose_config("run", overrides))
    codes = LabelSpace(
        (Code("CPT", "71046"), Code("ICD-10-CM", "J18.9"), Code("ICD-10-CM", "R05.9"))
    )
    folder = tmp_path_factory.mktemp("sealed") / "bundle"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network, lock = build_network(config.encoder, config.adapter, config.head, len(codes))
    settings = CoderSettings(
        specialty="radiology",
        include=config.specialty.include,
        encoder=config.encoder,
        adapter=config.adapter,
        head=config.head,
    )
    tokenizer = load_tokenizer(config.encoder)
    write_weights(folder, network, lock, codes, tokenizer, settings)
    calibrator = Calibrator(ProbabilityCalibrator(), Decoding(0.05), ConfidenceModel.product())
    policy = EvidencePolicy(SpanPolicy(0.6, 1, 3), deletion="none", doubts=())
    write_calibrator(folder, calibrator, policy, Runtime("fp32", "sdpa"))
    certificate = _certificate_at(
        0.0,
        certified_hashes(load_trained(folder).hashes, calibrator, policy),
        date(2026, 3, 31),
    )
    write_certificate(certificate, folder / "certificate.json")
    (folder / "card.md").write_text("# a bundle for tests\n")
    seal(folder)
    return folder
