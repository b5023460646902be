"""Terms → terms that name more codes: an edit of data, effective at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from surecode.codes.descriptions import wordings
from surecode.encounter import Code
from surecode.hybrid.found import Terms
from surecode.hybrid.reader import TermReader
from surecode.hybrid.titles import different, english_wordings
from surecode.lexicon.lexicon import Lexicon
from surecode.lexicon.term import Term
from surecode.lexicon.terms_shipped import listed_terms
from surecode.lexicon.terms_table import table_terms


def grown_terms(reader: TermReader, added: Sequence[Code], texts: Sequence[str]) -> TermReader:
    """A reader that looks for the codes added as well.

    Their wordings are those of the table at hand and of the shipped lists that the reader looks
    for; of codes that the table lacks, the descriptions. What was learned of terms in general holds
    for them: nothing was ever counted of these.

    Args:
        reader: as trained.
        added: n codes.
        texts: n descriptions.
    """
    terms = table_terms(added)
    named = {term.code for term in terms}
    terms += [
        Term(text, code, "title", f"{code}:title", 0.5, None, 0)
        for code, text in zip(added, texts, strict=True)
        if code not in named
    ]
    known = reader.terms
    listed = _listed(known.lexicon, added, reader.withholding.senses)
    lexicon = known.lexicon.with_terms(listed)
    grown = Terms.of(lexicon, known.tables.with_terms(terms), known.statistics, tagger=known.tagger)
    titles = reader.titles
    if titles is not None:
        more = english_wordings(listed)
        given = [
            different([*(wordings(code) or [text]), *more.get(code, ())])
            for code, text in zip(added, texts, strict=True)
        ]
        titles = titles.with_codes(added, given)
    return replace(reader, terms=grown, titles=titles)


def _listed(lexicon: Lexicon, added: Sequence[Code], senses: bool) -> list[Term]:
    """Wordings of the codes added, of the lists that the lexicon has terms of.

    With ``senses``, ambiguous words as well.
    """
    shipped = [one for one in lexicon.wordings if one.source in ("shipped", "sense")]
    systems = {one.code.system for one in shipped}
    languages = {one.language for one in shipped if one.language is not None}
    return listed_terms(systems, languages, frozenset(added), senses=senses)
