"""The normal form of a word: without plural and gender, the same rules for English and Spanish.

One set of rules for both languages, because a short note does not tell its language and terms of
the train split have none. In the order below, each only where at least four letters are left
(three for the plural's s), on words of letters alone that are no stop words:

    -s     falls, not in -ss, -us, -is     calculos → calculo, masses → masse, virus = virus
    -is    falls                           diagnosis → diagnos
    -e     falls                           lesion(e) → lesion; masse → mass
    -o     becomes a                       derecho, derecha → derecha; "parte" is not "parto"
    -c     becomes z                       cicatrices, cicatriz → cicatriz
    -y     becomes i                       biopsy, biopsie → biopsi

The plural and gender part of the light stemmers of Savoy (2006, doi 10.1145/1141277.1141523) and
of Harman's s-stemmer (1991). Verbs and suffixes stay: "embolic" is not "embolism".
"""

from __future__ import annotations

from surecode.evidence.stop_words import StopWords

_STOP_WORDS = StopWords.of("both").trimmed


def stem(word: str) -> str:
    """The normal form of a folded word; a stop word, or one that is not all letters, is its own."""
    if len(word) < 4 or not word.isalpha() or word in _STOP_WORDS:
        return word
    if word.endswith("is"):
        word = _without(word, 2, 4)
    elif word.endswith("s") and not word.endswith(("ss", "us")):
        word = _without(word, 1, 3)
    if word.endswith("e"):
        word = _without(word, 1, 4)
    elif word.endswith("o") and len(word) > 4:
        word = word[:-1] + "a"
    if len(word) >= 4 and word[-1] in "cy":
        word = word[:-1] + ("z" if word[-1] == "c" else "i")
    return word


def _without(word: str, letters: int, least: int) -> str:
    return word[:-letters] if len(word) - letters >= least else word
