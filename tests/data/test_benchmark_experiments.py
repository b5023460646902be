"""The recipes for data that this project does not hold: each composes and is complete."""

from __future__ import annotations

from pathlib import Path

import pytest

from surecode.config import compose_config, conf_folder, parse
from surecode.data.sources import mdace, mimic3, mimic4
from surecode.data.splits import check_shares
from surecode.settings import Config
from surecode.source_settings import (
    MdaceSettings,
    Mimic3Settings,
    Mimic4Settings,
    RestrictedSettings,
    restriction,
)

ICD_9 = ("ICD-9-CM", "ICD-9-PCS")
ICD_10 = ("ICD-10-CM", "ICD-10-PCS")
RECIPES: dict[str, tuple[type[RestrictedSettings], str | None, tuple[str, ...]]] = {
    "mimic3_full": (Mimic3Settings, "full", ICD_9),
    "mimic3_50": (Mimic3Settings, "top50", ICD_9),
    "mimic3_clean": (Mimic3Settings, "clean", ICD_9),
    "mimic4_icd9": (Mimic4Settings, "icd9", ICD_9),
    "mimic4_icd10": (Mimic4Settings, "icd10", ICD_10),
    "mdace": (MdaceSettings, None, ICD_10),
}


def recipe(name: str, *words: str) -> Config:
    """As the user runs it: ``surecode run experiment=NAME data.root=FOLDER``."""
    return parse(Config, compose_config("run", [f"experiment={name}", "data.root=folder", *words]))


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_complete(name: str) -> None:
    kind, benchmark, systems = RECIPES[name]
    config = recipe(name)
    data = config.data
    assert isinstance(data, kind)
    assert data.root == Path("folder")
    assert data.check_published
    assert getattr(data, "benchmark", None) == benchmark
    assert config.specialty.name == name
    assert config.specialty.label_space.systems == systems
    assert config.specialty.label_space.minimum_count == 1
    # The encoder is a fixed commit, and declares that it has read what is tested on.
    assert config.encoder.source == "hub"
    assert config.encoder.revision is not None
    assert "MIMIC-IV" in config.encoder.pretraining_data
    assert config.adapter.layers is None
    assert not config.trainer.cache_activations


@pytest.mark.parametrize("name", RECIPES)
def test_published_dev_is_halved_and_test_stays_test(name: str) -> None:
    data = recipe(name).data
    assert isinstance(data, RestrictedSettings)
    assert data.shares == {
        "train": {"train": 1.0},
        "dev": {"tune": 0.5, "calibrate": 0.5},
        "test": {"test": 1.0},
    }
    for shares in data.shares.values():
        check_shares(shares)
    assert restriction(data) == "PhysioNet Credentialed Health Data License 1.5.0"


def test_no_recipe_is_forgotten() -> None:
    files = {path.stem for path in (conf_folder() / "experiment").glob("m*.yaml")}
    assert set(RECIPES) <= files
    recipes = {RECIPES[name][1] for name in RECIPES} - {None}
    assert recipes == {*mimic3.PUBLISHED, *mimic4.PUBLISHED}


def test_every_recipe_has_a_run_folder_of_its_own_wherever_the_data_lie() -> None:
    hashes = {name: recipe(name).fit_hash for name in RECIPES}
    assert len(set(hashes.values())) == len(RECIPES)
    for name, expected in hashes.items():
        assert recipe(name, "data.root=elsewhere").fit_hash == expected


def test_professional_charts_are_a_choice() -> None:
    words = ("data.charts=profee", "specialty.label_space.systems=[ICD-10-CM,CPT]")
    config = recipe("mdace", *words)
    assert isinstance(config.data, MdaceSettings)
    assert config.data.charts == "profee"
    assert set(mdace.PUBLISHED) == {"inpatient", "profee"}


def test_another_encoder_and_specialty_can_be_named() -> None:
    config = recipe("mimic4_icd10", "encoder=minilm", "specialty=mixed")
    assert (config.encoder.source, config.specialty.name) == ("package", "mixed")


@pytest.mark.parametrize("name", RECIPES)
def test_the_documentation_names_the_recipe(name: str) -> None:
    page = conf_folder().parent / "docs" / "benchmarks.md"
    if not page.is_file():
        pytest.skip("docs/ is not beside conf/")
    assert f"`experiment={name}`" in page.read_text()


def test_the_documentation_has_the_published_counts() -> None:
    page = conf_folder().parent / "docs" / "benchmarks.md"
    if not page.is_file():
        pytest.skip("docs/ is not beside conf/")
    text = page.read_text()
    for published in [*mimic3.PUBLISHED.values(), *mimic4.PUBLISHED.values()]:
        counts = " / ".join(f"{published.coded[split]:,}" for split in ("train", "dev", "test"))
        assert counts in text
