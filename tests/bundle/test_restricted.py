"""A bundle trained on restricted data says so, and is not sealed where it does not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import surecode
from surecode.bundle import layout
from surecode.bundle.card import render_card, restricted_line
from surecode.bundle.seal import restriction_of, seal
from surecode.bundle.weights import CoderSettings
from surecode.calibration.certificate import Certificate
from surecode.config import compose_config, parse
from surecode.errors import InputError
from surecode.files import read_json, write_json
from surecode.settings import Config
from surecode.source_settings import restriction

LICENCE = "PhysioNet Credentialed Health Data License 1.5.0"
RESTRICTED = ["mimic3", "mimic3_50", "mimic4_icd9", "mimic4_icd10", "mdace"]
PUBLIC = ["synthetic", "codiesp", "cantemist", "table"]


def config_of(data: str) -> Config:
    words = ["specialty=mixed", f"data={data}"]
    return parse(
        Config, compose_config("run", [*words, *(["data.root=x.csv"] * (data == "table"))])
    )


def card(config: Config, certificate: Certificate) -> str:
    share = {"value": 0.5, "count": 1, "total": 2, "low": 0.1, "high": 0.9}
    names = (
        "micro_precision micro_recall micro_f1 macro_f1_of_means macro_f1_mean "
        "mean_average_precision exact_match"
    )
    figures = dict.fromkeys(names.split(), 0.5)
    evaluate: dict[str, Any] = {
        "coder": figures,
        "dictionary": figures,
        "automation_rate": share,
        "accuracy_among_automated": share,
        "split": "test",
        "encounters": 2,
        "data": "a source",
        "promised": [],
    }
    prepare = {"codes": 3, "data": "a source", "encounters": {"train": 1}}
    return render_card(config, prepare, evaluate, certificate)


@pytest.mark.parametrize("data", [*RESTRICTED, *PUBLIC])
def test_the_card_says_whether_the_bundle_may_be_published(
    data: str, certificate_at: Callable[..., Certificate]
) -> None:
    config = config_of(data)
    assert restriction(config.data) == (LICENCE if data in RESTRICTED else None)
    text = card(config, certificate_at(0.9, {}))
    assert (restricted_line(LICENCE) in text) == (data in RESTRICTED)
    assert ("Restricted" in text) == (data in RESTRICTED)
    # What hashes and bitsets are made of is said as well.
    assert ("hashed mentions" in text) == (data in RESTRICTED)


@pytest.fixture
def bundle(sealed_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sealed_bundle, tmp_path / "bundle"))


def restrict(bundle: Path) -> None:
    settings = CoderSettings.model_validate(read_json(bundle / layout.CODER, ""))
    content = settings.model_copy(update={"restricted": LICENCE}).model_dump(mode="json")
    write_json(bundle / layout.CODER, content)


def test_a_bundle_of_public_data_is_free(bundle: Path) -> None:
    assert restriction_of(bundle) is None
    # Bundles of before have no such field.
    content = read_json(bundle / layout.CODER, "")
    del content["restricted"]
    write_json(bundle / layout.CODER, content)
    assert restriction_of(bundle) is None
    assert CoderSettings.model_validate(content).restricted is None


def test_a_restricted_bundle_is_sealed_only_with_a_card_that_says_so(bundle: Path) -> None:
    restrict(bundle)
    assert restriction_of(bundle) == LICENCE
    for text in ("# a card that is silent\n", "Restricted: trained on data under another\n", None):
        (bundle / layout.CARD).unlink(missing_ok=True)
        if text is not None:
            (bundle / layout.CARD).write_text(text)
        with pytest.raises(
            InputError, match=r"card\.md does not say so; run `surecode register`"
        ) as e:
            seal(bundle)
        assert "\n" not in str(e.value)
    (bundle / layout.CARD).write_text(f"# a card\n\n**{restricted_line(LICENCE)}** And more.\n")
    seal(bundle)
    assert surecode.load(bundle).specialty == "radiology"


def test_the_restriction_cannot_be_taken_out_unnoticed(bundle: Path) -> None:
    restrict(bundle)
    (bundle / layout.CARD).write_text(restricted_line(LICENCE))
    seal(bundle)
    content = read_json(bundle / layout.CODER, "")
    write_json(bundle / layout.CODER, content | {"restricted": None})
    with pytest.raises(InputError, match=r"coder\.json is damaged"):
        surecode.load(bundle)
