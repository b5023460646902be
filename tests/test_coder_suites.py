from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import coder_suites
import pytest

from surecode.encounter import Code
from surecode.evaluation.negation_suite import load_pairs
from surecode.evaluation.word_sense_suite import word_sense_suite

HEART = Code("ICD-10-CM", "I44.2")


def record(text: str) -> Any:
    """Every "block" is a heart block; only a note of the heart goes through without a person.

    It has what the script reads of a decision record.
    """
    start = text.lower().find("block")
    mention = SimpleNamespace(document_id="note", start=1, end=2)
    quote = SimpleNamespace(start=start, end=start + 5, mentions=(mention,))
    found = SimpleNamespace(system=HEART.system, value=HEART.value, evidence=(quote,))
    return SimpleNamespace(
        route="auto" if "heart" in text.lower() else "review",
        codes=(found,) if start >= 0 else (),
    )


def test_evidence_and_its_other_mentions_are_read() -> None:
    assert coder_suites.readings(record("A block"), "assigned") == {HEART: [(2, 7), (1, 2)]}
    assert coder_suites.readings(record("A block"), "automatic") == {}


def test_a_coder_of_words_is_wrong_until_a_person_sees_it() -> None:
    asked: list[str] = []

    def code(text: str) -> Any:
        asked.append(text)
        return record(text)

    remembered = coder_suites.once(code)
    pairs = [found for found in word_sense_suite("en") if found.code_a == HEART]
    assert {found.word for found in pairs} == {"block"}
    assigned, automatic = coder_suites.word_senses(remembered, frozenset([HEART]), "en", 1)
    assert assigned["exact"]["pairs"] == len(pairs) == 1
    assert assigned["exact"]["shares"]["wrong"] == 1
    assert automatic["exact"]["shares"]["wrong"] == 0
    assert automatic["exact"]["shares"]["right"] == 1
    assert assigned["reviews"] == automatic["reviews"] > 0.9 * assigned["notes"]
    assert len(asked) == len(set(asked)) == assigned["notes"]
    lines = coder_suites.sense_lines([assigned, automatic])
    assert len(lines) == 2 + 4
    assert "1.000 [0.207, 1.000]" in lines[2]


def test_negations_are_counted_by_view() -> None:
    rows = coder_suites.negations(coder_suites.once(record), "en")
    assert {row["view"] for row in rows} == {"assigned", "automatic"}
    kinds = {row["kind"]: row for row in rows if row["view"] == "assigned"}
    pairs = load_pairs("en")
    assert sum(row["pairs"] for kind, row in kinds.items() if kind != "wrong") == len(pairs)
    mentions = sum("block" in pair.mention.lower() for pair in pairs)
    assert sum(row["named"] for kind, row in kinds.items() if kind != "wrong") == mentions
    assert coder_suites.share(0, 0) == "-"
    assert len(coder_suites.negation_lines(rows)) == 2 + len(rows)


def test_a_source_that_is_none_ends_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert coder_suites.main([str(tmp_path / "absent")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1


@pytest.mark.slow
def test_a_bundle_codes_both_suites(
    sealed_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(sealed_bundle), "--language", "es", "--batch", "2", "--day", "2026-03-31"]
    assert coder_suites.main(words) == 0
    out = capsys.readouterr().out
    figures = json.loads(out.splitlines()[-1])
    assert figures["word_sense"][0]["notes"] == 84
    assert {row["suite"] for row in figures["negation"]} == {"negation"}
    # This bundle gives every note all of its three codes, none of which the suite asks for.
    assert figures["word_sense"][0]["exact"]["pairs"] == 0
    assert "| es | assigned | exact | 0 | - | - | - |" in out
