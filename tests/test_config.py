"""conf/ as frozen settings: every file composes, every mistake is one line with its remedy."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from surecode.config import compose_config, conf_folder, groups, parse
from surecode.errors import InputError
from surecode.settings import Config
from surecode.source_settings import Settings
from surecode.verb_settings import CodesAddConfig, PredictConfig, PretrainConfig, ServeConfig

STAGES = ("run", "prepare", "train", "calibrate", "evaluate", "explain", "register")
MODELS: Mapping[str, type[Settings]] = {
    "predict": PredictConfig,
    "serve": ServeConfig,
    "codes_add": CodesAddConfig,
    "pretrain": PretrainConfig,
}
# What a verb leaves to the user.
WANTED = {root: ["specialty=radiology"] for root in (*STAGES, *MODELS)}
WANTED["codes_add"] += ["codes=[ICD-10-CM:I10]"]
WANTED["pretrain"] = ["name=own"]  # an encoder is for all specialties
ROOTS = sorted(path.stem for path in conf_folder().glob("*.yaml") if path.stem != "pipeline")
# What a choice leaves to the user, and a specialty that its data have.
NEEDED = {
    ("data", "table"): ["data.root=encounters.csv"],
    ("encoder", "hub"): ["encoder.name=an/encoder", "encoder.revision=0123abc"],
    ("encoder", "bioclinical_modernbert_large"): ["encoder.revision=0123abc"],
    ("encoder", "clinical_modernbert"): ["encoder.revision=0123abc"],
    ("encoder", "roberta_es_clinical"): ["encoder.revision=0123abc"],
    ("encoder", "roberta_pm"): ["encoder.name=a/folder"],
    ("encoder", "pretrained"): ["encoder.name=encoders/own-0123abc"],
    ("corpus", "folder"): ["corpus.root=notes"],
    ("corpus", "table"): ["corpus.root=notes.csv"],
}
# Groups of `surecode pretrain` alone.
OF_PRETRAIN = ("corpus",)
CHOICES = [
    (folder.name, file.stem)
    for folder in sorted(conf_folder().iterdir())
    if folder.is_dir()
    for file in sorted(folder.glob("*.yaml"))
]


@cache
def config(*overrides: str, root: str = "run", extra: Path | None = None) -> Config:
    return parse(Config, compose_config(root, ["specialty=radiology", *overrides], extra))


def refusal(*overrides: str, root: str = "run", extra: Path | None = None) -> str:
    with pytest.raises(InputError) as refused:
        parse(MODELS.get(root, Config), compose_config(root, overrides, extra))
    line = str(refused.value)
    assert line.startswith("configuration: ")
    assert "\n" not in line
    return line


# ---- every file composes -------------------------------------------------------------------------


@pytest.mark.parametrize("root", ROOTS)
def test_every_root_composes(root: str) -> None:
    settings = parse(
        MODELS.get(root, Config),
        compose_config(root, WANTED[root]),
    )
    values = settings.model_dump()
    assert values.get("specialty", values)["name"] == ("own" if root == "pretrain" else "radiology")


@pytest.mark.parametrize(("group", "choice"), CHOICES)
def test_every_choice_composes(group: str, choice: str) -> None:
    # A specialty brings its target along, so an override has to name the place.
    key = "target@specialty.target" if group == "target" else group
    overrides = [f"{key}={choice}", *NEEDED.get((group, choice), [])]
    root = "pretrain" if group in OF_PRETRAIN else "run"
    model = MODELS.get(root, Config)
    settings = parse(model, compose_config(root, [*WANTED[root], *overrides]))
    assert isinstance(settings, model)


@pytest.mark.parametrize("specialty", [name for group, name in CHOICES if group == "specialty"])
def test_a_specialty_is_named_as_its_file(specialty: str) -> None:
    assert config(f"specialty={specialty}").specialty.name == specialty


@pytest.mark.parametrize("stage", STAGES)
def test_all_stages_speak_of_the_same_run(stage: str) -> None:
    assert config(root=stage) == config()


def test_no_root_is_missing_and_none_is_left_over() -> None:
    from surecode.cli import VERBS

    assert sorted(verb.replace(" ", "_") for verb in VERBS) == ROOTS


# ---- settings are frozen and complete ------------------------------------------------------------


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        config().seed = 1  # type: ignore[misc]


def test_what_was_resolved_composes_to_the_same_settings() -> None:
    settings = config("adapter.rank=4")
    again = yaml.safe_load(yaml.safe_dump(settings.model_dump(mode="json")))
    assert Config.model_validate(again) == settings


def test_the_environment_chooses_store_and_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example:5000")
    monkeypatch.setenv("SURECODE_DATA", "corpora")
    words = ["specialty=oncology", "data=codiesp"]
    settings = parse(Config, compose_config("run", words))
    assert settings.tracking.uri == "http://tracking.example:5000"
    assert settings.data.model_dump()["root"] == Path("corpora")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    local = parse(Config, compose_config("run", words))
    assert local.tracking.uri == "sqlite:///mlflow.db"


# ---- mistakes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "nearest"),
    [
        ("adapter.rnk=4", "adapter.rank"),
        ("adaptor.rank=4", "adapter.rank"),
        ("rank=4", "adapter.rank"),
        ("trainer.epoch=4", "trainer.epochs"),
        ("data.encouters=4", "data.encounters"),
        ("specialty.target.levl=0.9", "specialty.target.level"),
        ("sead=1", "seed"),
    ],
)
def test_an_unknown_key_names_the_nearest(override: str, nearest: str) -> None:
    key = override.partition("=")[0]
    expected = f"configuration: unknown key {key}; did you mean {nearest}?"
    assert refusal("specialty=radiology", override) == expected


def test_a_key_that_is_near_to_none_names_the_help() -> None:
    assert refusal("specialty=radiology", "xyzzy=1").endswith(
        "unknown key xyzzy; `surecode VERB --help` lists the keys"
    )


@pytest.mark.parametrize("root", ROOTS)
def test_a_missing_specialty_lists_the_choices(root: str) -> None:
    if root == "pretrain":
        assert refusal(root=root) == "configuration: name has no value; set name=VALUE"
        return
    line = refusal(root=root)
    assert "specialty" in line
    choices = ", ".join(name for group, name in CHOICES if group == "specialty")
    assert line.endswith(f"choose one of: {choices}")


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("specialty=xray", "Could not find 'specialty/xray'; choose one of: emergency,"),
        ("data=codisep", "Could not find 'data/codisep'; choose one of: cantemist, codiesp,"),
        ("experiment=dmeo", "Could not find 'experiment/dmeo'; choose one of: demo"),
        ("adapter.rank=zero", "adapter.rank: input should be a valid integer"),
        ("adapter.rank=0", "adapter.rank: input should be greater than or equal to 1 (it is 0)"),
        ("seed=1.5", "seed: input should be a valid integer"),
        ("trainer.accelerator=tpu", "trainer.accelerator: input should be 'auto', 'cpu' or 'gpu'"),
        ("runtime.training=fp16", "runtime.training: input should be 'auto', 'fp32' or 'bf16'"),
        ("trainer.devices=0", "trainer.devices: input should be greater than or equal to 1"),
        ("coder.similarity=tables", "coder: value error, a neural coder compares nothing; set"),
        (
            "coder.wordings=[ICD-O-3]",
            "coder: value error, a neural coder has no terms; set",
        ),
        ("coder.tagger=crf", "coder: value error, a neural coder has no tagger; set tagger=none"),
        ("coder.tagger=bert", "coder.tagger: input should be 'none', 'crf' or 'network'"),
        ("coder.senses=drop", "coder.senses: input should be 'weigh' or 'decide'"),
        (
            "coder.senses=decide",
            "coder: value error, a neural coder has no terms; set denied=",
        ),
        ("coder.denied=drop", "coder.denied: input should be 'weigh' or 'withhold'"),
        ("encoder=clinical_modernbert", "encoder.revision has no value; set encoder.revision="),
        ("specialty.target.level=1", "specialty.target.level: input should be less than 1"),
        ("specialty.name=A/B", "specialty.name: string should match pattern"),
        ("data.seed=null", "data.seed: input should be a valid integer (it is None)"),
        ("data.start=never", "data.start: input should be a valid date"),
        ("data.source=stars", "data: input tag 'stars' found using 'source' does not match any"),
        ("+data.root=here", "data.root: unknown key; remove it or correct its spelling"),
        ("+more=1", "more: unknown key; remove it or correct its spelling"),
        ("~trainer", "trainer: missing; add it"),
        ("trainer=null", "Config group override must be a string or a list"),
        ("encoder=hub", "encoder.name has no value; set encoder.name=VALUE"),
        ("data=table", "data.root has no value; set data.root=VALUE"),
        ("tracking.uri=null", "tracking.uri: input should be a valid string"),
        ("tracking.uri=${nowhere}", "tracking.uri has no value; set tracking.uri=VALUE"),
        ("word", "write overrides as key=value"),
        ("a=b=[c", "write overrides as key=value"),
        ("=1", "write overrides as key=value"),
    ],
)
def test_a_wrong_value_is_told_in_one_line(override: str, reason: str) -> None:
    assert reason in refusal("specialty=radiology", override)


def test_senses_that_decide_ask_for_a_list() -> None:
    words = ("coder=lexicon", "coder.senses=decide", "coder.wordings=[]")
    assert "wordings names no list; set wordings=" in refusal("specialty=radiology", *words)


def test_a_verb_refuses_the_groups_of_another() -> None:
    assert "unknown key adapter" in refusal("specialty=radiology", "adapter=lora", root="predict")


def test_after_a_mistake_the_next_composition_is_untouched() -> None:
    refusal("specialty=radiology", "adapter.rnk=4")
    assert parse(Config, compose_config("run", ["specialty=radiology"])) == config()


# ---- groups and a user's own folder --------------------------------------------------------------


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    folder = tmp_path / "conf"
    (folder / "specialty").mkdir(parents=True)
    (folder / "specialty" / "dermatology.yaml").write_text(
        "name: dermatology\n"
        "include: {specialty: [dermatology], setting: [facility]}\n"
        "label_space: {systems: [ICD-10-CM], minimum_count: 5}\n"
        "target: {metric: exact, level: 0.9, delta: 0.05}\n"
    )
    return folder


def test_a_folder_of_ones_own_adds_a_specialty(overlay: Path) -> None:
    specialty = config("specialty=dermatology", extra=overlay).specialty
    assert (specialty.name, specialty.target.level) == ("dermatology", 0.9)
    assert specialty.include == {"specialty": ("dermatology",), "setting": ("facility",)}
    assert config("specialty=radiology", extra=overlay) == config()


def test_mistakes_beside_an_own_specialty_are_told_as_well(overlay: Path) -> None:
    words = ["specialty=dermatology", "adapter.rnk=4"]
    assert refusal(*words, extra=overlay).endswith("did you mean adapter.rank?")
    assert "dermatology" in refusal("specialty=dermatolgy", extra=overlay)


def test_groups_are_those_of_the_verb(overlay: Path) -> None:
    of_run = groups("run", ["specialty=radiology"])
    every = {group: [name for other, name in CHOICES if other == group] for group, _ in CHOICES}
    of_pretrain = groups("pretrain", [])
    assert of_pretrain == {group: every[group] for group in ("encoder", "tracking", *OF_PRETRAIN)}
    expected = {group: names for group, names in every.items() if group not in OF_PRETRAIN}
    expected["target@specialty.target"] = expected.pop("target")
    assert of_run == expected
    assert set(groups("predict", ["specialty=radiology"])) == {
        *("specialty", "target@specialty.target", "tracking"),
    }
    own = groups("run", ["specialty=radiology"], overlay)
    assert own["specialty"] == sorted([*of_run["specialty"], "dermatology"])


# ---- the name of the run folder ------------------------------------------------------------------


@pytest.mark.parametrize(
    "override",
    [
        "runs=elsewhere",
        "artifacts=elsewhere",
        "tracking.uri=http://elsewhere",
        "tracking.experiment=another",
        "specialty.target.level=0.9",
        "specialty.target.delta=0.2",
        "calibration.grid_size=50",
        "calibration.objective=micro_f1",
        "attribution.maximum_spans=1",
        "trainer.progress=false",
        "trainer.resume=false",
        "trainer.accelerator=cpu",
        "trainer.devices=4",
        "trainer.nodes=2",
        "trainer.checkpoint_minutes=1",
        "trainer.cache_activations=false",
        "launcher=slurm",
        "cache=elsewhere",
        "runtime.coding=bf16",
        "head.code_chunk=64",
        "runtime.folder=elsewhere",
        "data.split=tune",
        "data.maximum_characters=1000",
    ],
)
def test_what_leaves_the_weights_alone_leaves_the_hash(override: str) -> None:
    assert config(override).fit_hash == config().fit_hash


@pytest.mark.parametrize(
    "override",
    [
        "seed=1",
        "specialty=pathology",
        "specialty.label_space.minimum_count=3",
        "specialty.include.specialty=[emergency]",
        "data.seed=2",
        "data.encounters=100",
        "data.difficulty=0.5",
        "data.shares.train=0.3",
        "data=codiesp",
        "encoder.window_length=128",
        "encoder.window_overlap=16",
        "adapter.rank=4",
        "adapter.layers=[5]",
        "head.projection=128",
        "optim.head_learning_rate=1e-3",
        "trainer.epochs=2",
        "trainer.batch_tokens=512",
        "runtime.training=bf16",
        "adapter=rslora",
        "adapter.learning_rate=1e-4",
        "head=cross_attention",
        "loss=focal",
        "loss.evidence_weight=0.1",
    ],
)
def test_what_changes_the_weights_changes_the_hash(override: str) -> None:
    assert config(override).fit_hash != config().fit_hash


def test_where_a_corpus_lies_leaves_the_hash_and_which_table_it_is_does_not() -> None:
    corpus = ["data=codiesp", "data.root=a"], ["data=codiesp", "data.root=b"]
    assert config(*corpus[0]).fit_hash == config(*corpus[1]).fit_hash
    table = ["data=table", "data.root=a.csv"], ["data=table", "data.root=b.csv"]
    assert config(*table[0]).fit_hash != config(*table[1]).fit_hash


def test_folders_carry_specialty_and_hash() -> None:
    settings = config("runs=r", "artifacts=a")
    assert settings.run_folder == Path("r") / "radiology" / settings.fit_hash
    assert settings.artifact_folder == Path("a") / "radiology"


def test_params_of_dvc_name_specialties_and_overrides_that_compose() -> None:
    parameters: dict[str, Any] = yaml.safe_load(
        (Path(__file__).parents[1] / "params.yaml").read_text()
    )
    for specialty in parameters["specialties"]:
        config(f"specialty={specialty}", *parameters["overrides"].split())
