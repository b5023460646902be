"""The language of a document, and whether a user's terms fit the documents at all."""

from __future__ import annotations

from collections.abc import Iterable

from surecode.encounter import Encounter
from surecode.errors import InputError
from surecode.evidence.language import Language, language_of
from surecode.lexicon.term import Term


def document_language(text: str) -> Language | None:
    """The language of a document's beginning, else of its middle; None where neither tells."""
    return language_of(text, 0) or language_of(text, len(text) // 2)


def languages_of(encounters: Iterable[Encounter]) -> set[Language]:
    """The languages that some document tells."""
    told = {document_language(document.text) for e in encounters for document in e.documents}
    return {language for language in told if language is not None}


def check_language(terms: Iterable[Term], encounters: Iterable[Encounter]) -> None:
    """Raise `InputError` if all of a user's terms are in languages that no document has.

    A document that does not tell its language may have any. Terms of other sources do not count.
    """
    asked = {term.language for term in terms if term.source == "user"}
    if not asked or None in asked:
        return
    seen = set()
    for encounter in encounters:
        for document in encounter.documents:
            language = document_language(document.text)
            if language is None or language in asked:
                return
            seen.add(language)
    if seen:
        raise InputError(
            f"term list: all terms are of the language {', '.join(sorted(map(str, asked)))}, and "
            f"the documents are of {', '.join(sorted(seen))}; give terms of their language, or "
            "leave the column language out"
        )
