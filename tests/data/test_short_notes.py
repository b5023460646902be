"""The short notes that ship: their marks, their codes, and that they are no copy of a suite."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from surecode.codes.releases import may_be_billed
from surecode.data.sources import short_notes
from surecode.encounter import Code, Encounter
from surecode.errors import InputError
from surecode.evaluation.negation_suite import load_pairs
from surecode.evaluation.word_sense_suite import word_sense_suite
from surecode.lexicon.tokens import tokens


def written(folder: Path, *lines: str) -> list[Encounter]:
    (folder / "notes_en.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return list(short_notes.read(folder / "notes_en.txt"))


def quoted(encounter: Encounter) -> list[tuple[str, list[str]]]:
    text = encounter.documents[0].text
    return [
        (code.value, [text[span.start : span.end] for span in spans])
        for code, spans in encounter.mentions
    ]


def test_marks_become_codes_and_evidence(tmp_path: Path) -> None:
    one, two = written(
        tmp_path,
        "Known {HTN|I10}, left {kidney|N13.2} swollen by a {stone|N13.2}, no fever.",
        "No fever.",
    )
    assert one.documents[0].text == "Known HTN, left kidney swollen by a stone, no fever."
    assert [gold.code.value for gold in one.codes] == ["I10", "N13.2"]
    assert quoted(one) == [("I10", ["HTN"]), ("N13.2", ["kidney", "stone"])]
    assert (two.codes, two.evidence) == ((), ())
    assert (one.encounter_id, two.encounter_id) == ("en-00001", "en-00002")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("Known {HTN|I10.", "a mark is broken"),
        ("Known {HTN}.", "a mark is broken"),
        ("", "the line is empty"),
        ("Known {HTN|high}.", "ICD-10-CM"),
    ],
)
def test_a_wrong_line_is_named_and_not_quoted(tmp_path: Path, line: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        written(tmp_path, "Well.", line)
    assert str(caught.value).startswith("notes_en.txt, line 2: ")
    assert told in str(caught.value)
    assert "Known" not in str(caught.value)


def test_every_code_may_be_billed_on_the_day_of_the_note() -> None:
    for encounter in short_notes.read():
        for code in encounter.code_set:
            assert may_be_billed(code, encounter.date_of_service), (encounter.encounter_id, code)


def test_notes_are_many_and_differ() -> None:
    notes = list(short_notes.read())
    texts = Counter(tokens(note.documents[0].text) for note in notes)
    assert len(notes) >= 2000
    assert max(texts.values()) == 1
    codes: Counter[Code] = Counter(code for note in notes for code in note.code_set)
    assert len(codes) >= 1000
    assert 0.03 <= sum(not note.codes for note in notes) / len(notes) <= 0.2


def test_no_note_is_one_of_a_suite() -> None:
    """None shares more than two fifths of its words with a note of a suite, which judge coders."""

    def words(text: str) -> set[str]:
        return set(filter(str.isalnum, tokens(text)))

    held = [text for pair in word_sense_suite("en") for text in (pair.note_a, pair.note_b)]
    held += [text for pair in load_pairs("en") for text in (pair.affirmed, pair.other)]
    suite = list(map(words, held))
    for note in short_notes.read():
        said = words(note.documents[0].text)
        assert all(len(said & other) <= 0.4 * len(said | other) for other in suite)
