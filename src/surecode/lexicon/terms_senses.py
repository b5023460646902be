"""Ambiguous words by themselves, as terms of each of their senses that codes the bare word.

Such a term counts only where the rules support its sense (`surecode.lexicon.senses`), so who finds
one must ask them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from surecode.encounter import Code
from surecode.evidence.language import Language
from surecode.lexicon.senses import LANGUAGES, package_rules
from surecode.lexicon.term import Term

# As a wording of a list: the rules have settled which code it is.
PROBABILITY = 0.5


def sense_terms(
    systems: Collection[str],
    languages: Collection[Language] | None = None,
    codes: Collection[Code] | None = None,
) -> list[Term]:
    """The bare terms of the package's rules.

    Args:
        systems: canonical names of code systems.
        languages: of the rules; all by default.
        codes: those wanted; all by default.
    """
    found = []
    for language in LANGUAGES:
        number: Counter[Code] = Counter()
        for rule in package_rules(language).rules:
            if (code := rule.bare) is None:
                continue
            number[code] += 1
            if (
                code.system in systems
                and (languages is None or language in languages)
                and (codes is None or code in codes)
            ):
                name = f"{code}:{language}:sense:{number[code]}"
                text = " ".join(rule.term)
                found.append(Term(text, code, "sense", name, PROBABILITY, language, 0))
    return found
