from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from surecode.errors import InputError
from surecode.evaluation.negation_suite import (
    HEADER,
    LANGUAGES,
    Language,
    Pair,
    evaluate_assertions,
    load_pairs,
    parse_pairs,
)

ROOT = Path(__file__).resolve().parents[2]
KINDS = {"negated", "uncertain", "hypothetical", "historical", "family"}


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return evaluate_assertions().set_index(["language", "half", "kind"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_suite_has_enough_pairs_of_every_kind(language: Language) -> None:
    pairs = load_pairs(language)
    assert len(pairs) >= 200
    kinds = Counter(pair.kind for pair in pairs)
    assert set(kinds) >= KINDS
    assert min(kinds[kind] for kind in KINDS) >= 20
    halves = Counter(pair.half for pair in pairs)
    assert min(halves.values()) > 0.4 * len(pairs)
    # No two pairs say the same, and not few mentions over and over.
    assert len({(pair.affirmed, pair.other) for pair in pairs}) == len(pairs)
    assert len({pair.mention.lower() for pair in pairs}) > 0.6 * len(pairs)


@pytest.mark.parametrize("half", ["seen", "held_out"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_rules_are_right_nearly_always(
    table: pd.DataFrame, language: Language, half: str
) -> None:
    row = table.loc[(language, half, "all")]
    assert row["right"] >= 0.95
    assert row["affirmed_right"] >= 0.95
    assert row["other_right"] >= 0.95
    for kind in KINDS:
        assert table.loc[(language, half, kind), "right"] >= 0.90, kind


def test_shares_are_counted_by_hand() -> None:
    pairs = [
        Pair("a", "en", "negated", "gout", "He has gout.", "No gout."),
        Pair("a", "en", "negated", "gout", "No gout.", "No gout."),  # the first is wrong
        Pair("a", "en", "family", "gout", "He has gout.", "No gout."),  # the second is wrong
    ]
    found = evaluate_assertions(pairs).set_index("kind")
    assert found.loc["negated", "pairs"] == 2
    assert found.loc["negated", "affirmed_right"] == 0.5
    assert found.loc["negated", "other_right"] == 1
    assert found.loc["family", "both_right"] == 0
    assert found.loc["all", "right"] == pytest.approx(4 / 6)
    assert found.loc["all", "both_right"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["id\tkind"], "the header"),
        (["\t".join(HEADER), "en-1\tnegated\tgout"], "line 2: 3 columns"),
        (["\t".join(HEADER), "en-1\tdenied\tgout\tgout\tno gout"], "unknown kind"),
        (["\t".join(HEADER), *["en-1\tnegated\tgout\tgout\tno gout"] * 2], "line 3: id en-1"),
        (["\t".join(HEADER), "en-1\tnegated\tgout\tgout\tno asthma"], "must stand once"),
    ],
)
def test_a_damaged_suite_is_refused(lines: list[str], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        parse_pairs("\n".join(lines), "en")


def test_a_backslash_and_n_are_a_line_break() -> None:
    (pair,) = parse_pairs("\t".join(HEADER) + "\nx\tnegated\tgout\tA\\nGout\tNo\\ngout", "en")
    assert (pair.affirmed, pair.other) == ("A\nGout", "No\ngout")


def test_the_wheel_carries_suites_and_cue_lists(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    build = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert build.returncode == 0, build.stderr
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        carried = set(wheel.namelist())
    suites = {f"surecode/evaluation/suites/negation_{language}.tsv" for language in LANGUAGES}
    lists = {f"surecode/evidence/cue_lists/{language}.txt" for language in LANGUAGES}
    assert suites | lists <= carried
