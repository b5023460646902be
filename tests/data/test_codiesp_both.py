"""CodiEsp with ``language: both``: each case beside its machine translation."""

from __future__ import annotations

from pathlib import Path

import pytest

from surecode.data.sources import codiesp
from surecode.encounter import Code
from surecode.errors import InputError

CASE = "S0004-06142005000700014-1"
TEXT, TRANSLATED = "Varón con dolor.\r\nRx tórax.", "Man with pain.\r\nChest x-ray."


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """One case in train and one in dev."""
    for number, split in enumerate(("train", "dev")):
        folder, name = tmp_path / "codiesp" / split, f"{CASE[:-1]}{number}"
        for texts, text in (("text_files", TEXT), ("text_files_en", TRANSLATED)):
            (folder / texts).mkdir(parents=True)
            (folder / texts / f"{name}.txt").write_bytes(text.encode())
        (folder / f"{split}D.tsv").write_text(f"{name}\tr52\n", encoding="utf-8")
        (folder / f"{split}P.tsv").write_text(f"{name}\tbw03zzz\n", encoding="utf-8")
        (folder / f"{split}X.tsv").write_text(
            f"{name}\tDIAGNOSTICO\tr52\tdolor\t10 15\n", encoding="utf-8"
        )
    return tmp_path


def test_a_case_has_two_documents_and_evidence_in_the_first(corpus: Path) -> None:
    both = [item.encounter for item in codiesp.read(corpus, "both")]
    spanish = [item.encounter for item in codiesp.read(corpus, "es")]
    english = [item.encounter for item in codiesp.read(corpus, "en")]
    assert len(both) == 2
    for two, es, en in zip(both, spanish, english, strict=True):
        assert two.documents[0] == es.documents[0]
        assert two.documents[0].text == TEXT
        assert two.documents[1].text == en.documents[0].text == TRANSLATED
        assert two.documents[1].document_id == f"{two.encounter_id}-en"
        assert two.documents[1].kind == "translation"
        assert two.codes == es.codes == en.codes
        assert two.evidence == es.evidence
        (mark,) = two.evidence
        assert mark.code == Code("ICD-10-CM", "R52")
        assert two.text(mark.span.document_id)[mark.span.start : mark.span.end] == "dolor"
        assert en.evidence == ()


def test_a_case_without_its_translation_is_told_in_one_line(corpus: Path) -> None:
    (path,) = (corpus / "codiesp" / "dev" / "text_files_en").iterdir()
    path.unlink()
    assert len(list(codiesp.read(corpus, "es"))) == 2
    with pytest.raises(InputError, match=path.name) as caught:
        list(codiesp.read(corpus, "both"))
    assert "\n" not in str(caught.value)


def test_an_unknown_language_names_the_three(corpus: Path) -> None:
    with pytest.raises(InputError, match="'fr' is not one of es, en, both"):
        list(codiesp.read(corpus, "fr"))  # type: ignore[arg-type]
