"""The coder of the October drill: codes, notes, its training, and its growth by ``codes add``."""

from __future__ import annotations

import argparse
import csv
import json
import random
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from october_notes import Written, new_notes, old_notes

import surecode
from surecode.bundle import layout
from surecode.bundle.seal import seal
from surecode.codes.changes import changes
from surecode.codes.releases import valid_codes
from surecode.coding import Coder
from surecode.config import compose_config, parse
from surecode.encounter import Code
from surecode.files import write_text
from surecode.settings import Config
from surecode.stages.calibrate import calibrate
from surecode.stages.prepare import prepare
from surecode.stages.run_folder import RunFolder
from surecode.stages.train import train

SYSTEM = "ICD-10-CM"
BEFORE, AFTER = date(2021, 2, 1), date(2026, 4, 15)
OVERRIDES = (
    "data=table",
    "specialty=mixed",
    f"specialty.label_space.systems=[{SYSTEM}]",
    "specialty.label_space.minimum_count=1",
    "head=descriptions",
    "encoder=minilm",
    # The head alone is trained: minutes on one core. At the head's default rate of 5e-3 this kind
    # of head does not learn, for its queries move by the whole length of a description.
    "adapter=frozen",
    "optim.head_learning_rate=5e-4",
    "loss.evidence_weight=0.3",
    "trainer.epochs=12",
    "trainer.batch_tokens=2048",
    "trainer.progress=false",
    "attribution.doubts=[]",
    "attribution.deletion=none",
    "attribution.tuned=false",
    "runtime.training=fp32",
    "runtime.coding=fp32",
    "runtime.attention=sdpa",
)


@dataclass(frozen=True)
class Size:
    """How much of everything; the default is what the README reports."""

    old: int = 500  # codes of the coder
    held: int = 200  # codes of 2021 that training never sees: added in a rehearsal
    train: int = 1200
    tune: int = 100
    calibrate: int = 100
    test: int = 300
    rehearsal: int = 150
    new: int = 420


@dataclass(frozen=True)
class Codes:
    """Codes of the drill, each sorted: known before, held back for the rehearsal, and added."""

    old: tuple[Code, ...]
    held: tuple[Code, ...]
    added: tuple[Code, ...]


def choose_codes(size: Size, seed: int) -> Codes:
    """Half of the old codes are of categories that got new codes, where confusion is likeliest."""
    found = changes(SYSTEM, "FY2021", "FY2026")
    was, now = (valid_codes(SYSTEM, release) for release in ("FY2021", "FY2026"))
    # The changes above say that both are at hand.
    assert was is not None
    assert now is not None
    kept = sorted(was & now)
    categories = {value[:3] for value in found.added}
    near = [value for value in kept if value[:3] in categories]
    far = [value for value in kept if value[:3] not in categories]
    rng = random.Random(f"{seed}/codes")
    half = (size.old + size.held) // 2
    drawn = rng.sample(near, half) + rng.sample(far, size.old + size.held - half)
    rng.shuffle(drawn)
    codes = [Code(SYSTEM, value) for value in drawn]
    return Codes(
        tuple(sorted(codes[: size.old])),
        tuple(sorted(codes[size.old :])),
        tuple(Code(SYSTEM, value) for value in sorted(found.added)),
    )


@dataclass(frozen=True)
class Notes:
    """Notes of the drill: what is learned from, old notes, rehearsal, and those that need new."""

    learning: list[Written]
    old: list[Written]
    rehearsal: list[Written]
    new: list[Written]


def write_notes(codes: Codes, size: Size, seed: int) -> Notes:
    """Two thirds of the new notes are worded by hand, one sixth each verbatim and edited."""
    learning = []
    for split, count in (("train", size.train), ("tune", size.tune), ("calibrate", size.calibrate)):
        learning += old_notes(split, codes.old, count, BEFORE, seed, split)  # type: ignore[arg-type]
    return Notes(
        learning,
        old_notes("test", codes.old, size.test, BEFORE, seed, "test"),
        new_notes(
            "rehearsal", codes.held, codes.old, size.rehearsal, ("edited", "verbatim"), BEFORE, seed
        ),
        new_notes(
            "new",
            codes.added,
            codes.old,
            size.new,
            ("written", "written", "edited", "written", "written", "verbatim"),
            AFTER,
            seed,
        ),
    )


def trained(folder: Path, notes: Notes, overrides: Sequence[str]) -> Path:
    """Train and calibrate by the verbs; the sealed bundle of the coder of 2021."""
    table = folder / "notes.jsonl"
    rows = [note.encounter.to_dict() for note in (*notes.learning, *notes.old)]
    write_text(table, "".join(json.dumps(row) + "\n" for row in rows))
    places = [f"{name}={folder / name}" for name in ("runs", "artifacts", "cache")]
    tracking = f"tracking.uri=sqlite:///{folder / 'mlflow.db'}"
    words = [*OVERRIDES, f"data.root={table}", *places, tracking, *overrides]
    config = parse(Config, compose_config("run", words))
    for stage in (prepare, train, calibrate):
        stage(config)
    bundle = RunFolder(config).bundle
    write_text(bundle / layout.CARD, "# The coder of January 2021\n\nInvented notes.\n")
    seal(bundle)
    return bundle


@dataclass(frozen=True)
class Grown:
    """The bundle with more codes, and the seconds from the list of codes to its first answer."""

    coder: Coder
    seconds_adding: float
    seconds_to_answer: float
    processor_seconds: float  # of the command alone


def grow(bundle: Path, target: Path, added: Sequence[Code], day: date, note: str) -> Grown:
    """``surecode codes add`` as a command of its own; then load what it wrote and code a note."""
    listed = target.parent / f"{target.name}.csv"
    rows = [("system", "value"), *((code.system, code.value) for code in added)]
    with listed.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    command = [sys.executable, "-m", "surecode.cli", "codes", "add", "specialty=mixed"]
    words = [f"codes=[{listed}]", f"model={bundle}", f"output={target}", f"date_of_service={day}"]
    began = time.monotonic()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([*command, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    adding = time.monotonic() - began
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = spent.ru_utime + spent.ru_stime - used.ru_utime - used.ru_stime
    coder = surecode.load(target)
    coder.code(note, today=day)
    return Grown(coder, adding, time.monotonic() - began, processor)


def asked(description: str | None, folder: str) -> argparse.Namespace:
    """The words of a drill: ``seed``, an empty ``folder`` for what is grown, ``overrides``."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path(folder))
    parser.add_argument("overrides", nargs="*")
    words = parser.parse_args()
    words.folder = words.folder.resolve()
    words.folder.mkdir(parents=True, exist_ok=True)
    for name in ("grown", "rehearsed"):
        shutil.rmtree(words.folder / name, ignore_errors=True)
    return words
