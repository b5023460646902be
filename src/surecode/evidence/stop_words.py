"""Words that make no evidence by themselves, in English and Spanish.

Articles, prepositions, conjunctions, pronouns, auxiliaries and common adverbs: a span of nothing
else says nothing of a code, and at the ends of a span they only lengthen it. Negations are apart:
alone they are no evidence either, but cut off the end of "sin fiebre" they would turn what the
document says into its opposite.

The lists are written without accents, since notes often are; words are compared without them. They
leave out what notes use as abbreviations in small letters too: "mi", "us", "os".
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Literal

Language = Literal["english", "spanish", "both", "none"]
LANGUAGES: tuple[Language, ...] = ("english", "spanish", "both", "none")


def _listed(words: str) -> frozenset[str]:
    return frozenset(words.split())


ENGLISH = _listed(
    """
    a an the this that these those such same other another each every all both any some own
    i you he she it we they me him her them my your his its our their who whom whose which what
    and or but if then than so because while although though as whether
    of in on at by for from to into onto with within upon over under about against between among
    through during before after above below up down out off around along across toward towards per
    via until since due
    am is are was were be been being has have had having do does did doing done
    can could may might must shall should will would
    there here where when how why now also too very just only again further more most much many few
    quite rather still already well etc
    """
)

SPANISH = _listed(
    """
    el la los las lo un una unos unas al del
    de a en con por para desde hasta entre sobre bajo tras ante contra segun durante mediante hacia
    y e o u pero mas sino aunque porque pues si que como cuando donde mientras
    yo tu usted ello ella ellos ellas nosotros me te se le les nos su sus
    este esta esto estos estas ese esa eso esos esas aquel aquella aquellos aquellas
    cual cuales quien quienes cuyo cuya cuyos cuyas
    es son era eran fue fueron ser sido siendo esta estan estaba estaban estuvo estar estado
    ha han habia habian hubo haber habido hay he hemos tiene tienen tenia
    muy tambien asi ya aun todavia solo solamente luego despues antes ademas tan tanto
    mucho mucha muchos muchas poco poca otro otra otros otras todo toda todos todas
    cada ambos ambas mismo misma
    """
)

NEGATIONS = {
    "english": _listed("no not nor neither none never without cannot"),
    "spanish": _listed("no ni sin nunca tampoco ningun ninguno ninguna nada"),
}


@dataclass(frozen=True)
class StopWords:
    """What is passed over in the texts of one language, of both, or of none."""

    trimmed: frozenset[str]  # make no evidence, and are cut off the ends of a span
    kept: frozenset[str]  # make no evidence alone, and stay where they stand: negations

    @classmethod
    def of(cls, language: Language) -> StopWords:
        """The lists of a language, or of both: then what is a stop word in either of them is."""
        spoken = [name for name in ("english", "spanish") if language in (name, "both")]
        lists = {"english": ENGLISH, "spanish": SPANISH}
        return cls(
            frozenset().union(*(lists[name] for name in spoken)),
            frozenset().union(*(NEGATIONS[name] for name in spoken)),
        )

    def trims(self, text: str, start: int, end: int) -> bool:
        """Whether the word at these characters of a text is to be cut off the ends of a span."""
        return _is_among(self.trimmed, text, start, end)

    def silent(self, text: str, start: int, end: int) -> bool:
        """Whether the word at these characters of a text makes no evidence by itself."""
        return _is_among(self.kept, text, start, end) or self.trims(text, start, end)


def _is_among(words: frozenset[str], text: str, start: int, end: int) -> bool:
    """Capitals in a line that is not all in capitals are no stop word but an abbreviation.

    "AS" is aortic stenosis, "LA" the left atrium, "type I" and "hepatitis A" end in no pronoun and
    no article. The price is a sentence that begins with "A" or "Y": there it is a stop word only
    where nothing but white space stands before it in its line.
    """
    word = text[start:end]
    folded = word.lower()
    if not folded.isascii():
        folded = "".join(c for c in unicodedata.normalize("NFD", folded) if not _is_accent(c))
    if folded not in words:
        return False
    if not word.isupper():
        return True
    begin = text.rfind("\n", 0, start) + 1
    if len(word) == 1 and not text[begin:start].strip():
        return True
    stop = text.find("\n", end)
    return text[begin : stop if stop >= 0 else len(text)].isupper()


def _is_accent(character: str) -> bool:
    return unicodedata.combining(character) > 0
