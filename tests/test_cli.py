"""``surecode VERB``: help, versions, overlays, sweeps and exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from surecode.cli import VERBS, main

TINY = ("data.encounters=12", "data.difficulty=0")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written() -> list[str]:
    return sorted(path.as_posix() for path in Path().rglob("*") if path.is_file())


# ---- help ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [[], ["-h"], ["--help"]])
def test_help_lists_every_verb(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    shown = capsys.readouterr()
    assert all(f"  {verb:10} {what}" in shown.out for verb, what in VERBS.items())
    assert shown.err == ""


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"{version('surecode')}\n"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_without_a_specialty(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*verb.split(), "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"surecode {verb} [key=value ...]: {VERBS[verb]}")
    assert ("specialty=    emergency | " in shown) == (verb != "pretrain")
    assert ("adapter=" in shown) == (verb not in ("predict", "serve", "codes add", "pretrain"))


def test_help_shows_the_settings_as_they_would_be(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "specialty=oncology", "adapter.rank=3", "-h", "-m"]) == 0
    shown = capsys.readouterr().out
    assert "(here for specialty=oncology)" in shown
    assert "rank: 3" in shown


def test_help_is_quick_and_needs_no_heavy_library() -> None:
    program = (
        "import sys; from surecode.cli import main; main(['run', '--help'])\n"
        "print(sorted({'torch', 'mlflow', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


# ---- what is no command --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["fly"], "unknown verb 'fly'; choose one of: run, prepare,"),
        (["run", "--fly"], "unknown option --fly; `surecode --help` lists the options"),
        (["run", "--config-dir"], "--config-dir: no such folder"),
        (["run", "--config-dir", "nowhere"], "--config-dir: no such folder"),
        (["run", "--config-dir=nowhere"], "--config-dir: no such folder"),
        (["run", "-m", "specialty=[a"], "write overrides as key=value"),
        (
            ["prepare", "specialty=pathology", *TINY, "runs=file"],
            "Not a directory; check that it can be",
        ),
    ],
)
def test_it_is_told_in_one_line(
    words: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("file").write_text("in the way")
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.startswith("surecode: ")
    assert error.count("\n") == 1
    assert reason in error
    assert written() == ["file"]


def test_the_console_command_gives_the_exit_code() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "surecode.cli", "run"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("surecode: configuration: You must specify 'specialty'")


# ---- a configuration folder of one's own ---------------------------------------------------------


@pytest.mark.parametrize("equals", [True, False])
def test_an_own_specialty_is_prepared(equals: bool, capsys: pytest.CaptureFixture[str]) -> None:
    Path("conf/specialty").mkdir(parents=True)
    Path("conf/specialty/pathology_codes.yaml").write_text(
        "name: pathology\n"
        "include: {specialty: [pathology]}\n"
        "label_space: {systems: [CPT], minimum_count: 1}\n"
        "target: {metric: exact, level: 0.9, delta: 0.1}\n"
    )
    place = ["--config-dir=conf"] if equals else ["--config-dir", "conf"]
    assert main(["prepare", *place, "specialty=pathology_codes", *TINY]) == 0
    space = json.loads(next(Path("runs").rglob("label_space.json")).read_text())
    assert {code.partition(":")[0] for code in space["codes"]} == {"CPT"}


# ---- sweeps --------------------------------------------------------------------------------------


def test_a_sweep_runs_every_combination(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["specialty=pathology,radiology", "data.seed=1,2,3", *TINY]
    assert main(["prepare", "-m", *words]) == 0
    folders = sorted(path.parent.name for path in Path("runs").glob("*/*"))
    assert folders == ["pathology"] * 3 + ["radiology"] * 3
    assert capsys.readouterr().err == ""


def test_a_sweep_is_checked_before_its_first_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "-m", "specialty=pathology", "adapter.rank=4,zero", *TINY]) == 2
    assert "adapter.rank" in capsys.readouterr().err
    assert written() == []


def test_only_training_is_shared_among_processes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert main(["run", "specialty=radiology"]) == 2
    line = capsys.readouterr().err
    assert "only `surecode train` shares its work" in line
    assert line.count("\n") == 1
