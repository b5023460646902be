"""Codes that a document may have, as a dictionary finds them, and what speaks for each.

A candidate is a code that some mention in the document has been annotated with elsewhere. Its
features come from a dictionary and from counts over documents that the dictionary was fitted on,
never from the document's own gold.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from surecode.coder.dictionary import Dictionary, Mention, tokens
from surecode.encounter import Code, Encounter, Span

# The smallest P(code | mention) kept: nearly all that was ever annotated is a candidate.
MINIMUM = 0.02
# Words before a mention, in its own sentence, that say the finding is absent (Spanish).
NEGATIONS = frozenset(
    {
        *("no", "sin", "ni", "niega", "negativo", "negativa", "negativos", "negativas"),
        *("ausencia", "descarta", "descartar", "descarto", "descartando"),
    }
)
_BEFORE = 50  # characters in which a negation is looked for

FEATURES = (
    "logit of P(code | mention), its likeliest mention",
    "log of 1 minus the chance that no mention is right, taken as independent",
    "log hits",
    "log different mentions",
    "log tokens of the likeliest mention",
    "log characters of the likeliest mention",
    "log times that the likeliest mention was annotated with the code",
    "log documents with the code",
    "entropy of the likeliest mention's codes",
    "no other code of that mention is likelier",
    "logit of the likeliest other code on the same mentions",
    "logit of the chance that the likeliest mention has any code",
    "share of hits behind a negation",
    "place of the first hit, 0 to 1",
    "logit of the likeliest candidate with the same first three characters",
    "that candidate is likelier",
    "log words of the document",
    "log candidates of the document",
    "first feature times the seventh",
    "first feature times the third",
)


@dataclass(frozen=True)
class Lexicon:
    """A dictionary with the counts of the documents that it was fitted on."""

    dictionary: Dictionary
    annotated: Counter[tuple[Mention, Code]]
    documents: Counter[Code]

    @classmethod
    def fit(
        cls, encounters: Sequence[Encounter], annotated: Iterable[Iterable[tuple[Mention, Code]]]
    ) -> Lexicon:
        """Learn from evidence and gold; ``annotated`` are each encounter's annotated mentions."""
        return cls(
            Dictionary.fit(encounters, minimum=MINIMUM),
            Counter(pair for pairs in annotated for pair in pairs),
            Counter(code for encounter in encounters for code in encounter.code_set),
        )


@dataclass(frozen=True)
class _Hit:
    """One place: its mention, whether a negation stands before it, its place from 0 to 1."""

    mention: Mention
    negated: bool
    place: float


def annotated_mentions(encounter: Encounter) -> list[tuple[Mention, Code]]:
    """Each annotated mention, its pieces joined, with its code; once per annotation."""
    pieces: defaultdict[tuple[Code, int], list[Span]] = defaultdict(list)
    for item in encounter.evidence:
        pieces[item.code, item.mention].append(item.span)
    return [
        (
            tuple(
                tokens(" ".join(encounter.text(s.document_id)[s.start : s.end] for s in spans))[0]
            ),
            code,
        )
        for (code, _), spans in pieces.items()
    ]


def candidates(encounter: Encounter, words: int, lexicon: Lexicon) -> dict[Code, list[float]]:
    """Candidate code → its `FEATURES`; the encounter has ``words`` words. Its gold is not read."""
    hits = _hits(encounter, lexicon.dictionary)
    chance = {
        mention: {entry.code: entry.probability for entry in lexicon.dictionary.entries[mention]}
        for places in hits.values()
        for mention in {hit.mention for hit in places}
    }
    best = {
        code: max((chance[hit.mention][code], len(hit.mention), hit.mention) for hit in places)
        for code, places in hits.items()
    }
    family: defaultdict[str, list[float]] = defaultdict(list)
    for code, (p, _, _) in best.items():
        family[code.value[:3]].append(p)
    found = {}
    for code, places in hits.items():
        p, _, mention = best[code]
        siblings = list(family[code.value[:3]])
        siblings.remove(p)
        sibling = max(siblings, default=0.0)
        others = (q for hit in places for other, q in chance[hit.mention].items() if other != code)
        seen = math.log1p(lexicon.annotated[mention, code])
        n_hits = math.log1p(len(places))
        found[code] = [
            logit(p),
            math.log(0.02 - sum(math.log1p(-chance[hit.mention][code]) for hit in places)),
            n_hits,
            math.log(len({hit.mention for hit in places})),
            math.log(len(mention)),
            math.log(sum(map(len, mention))),
            seen,
            math.log1p(lexicon.documents[code]),
            entropy(chance[mention].values()),
            float(p >= max(chance[mention].values())),
            logit(max(others, default=0.0)),
            logit(min(sum(chance[mention].values()), 1.0)),
            sum(hit.negated for hit in places) / len(places),
            min(hit.place for hit in places),
            logit(sibling),
            float(sibling > p),
            math.log(words),
            math.log(len(hits)),
            logit(p) * seen,
            logit(p) * n_hits,
        ]
    return found


def logit(p: float) -> float:
    """Log-odds of p in [0, 1], both ends moved in by 0.01 so that they are finite."""
    return math.log((p + 0.01) / (1.01 - p))


def entropy(weights: Iterable[float]) -> float:
    """Entropy in nats of positive weights, scaled to add up to 1."""
    shares = list(weights)
    total = sum(shares)
    return -sum(share / total * math.log(share / total) for share in shares)


def negated(before: str) -> bool:
    """Whether the text before a mention ends in a sentence so far that holds a negation."""
    words = tokens(before)[0]
    ends = [place for place, word in enumerate(words) if word in ".;:"]
    return not NEGATIONS.isdisjoint(words[ends[-1] + 1 if ends else 0 :])


def _hits(encounter: Encounter, dictionary: Dictionary) -> dict[Code, list[_Hit]]:
    seen: dict[int, _Hit] = {}
    hits: defaultdict[Code, list[_Hit]] = defaultdict(list)
    for item in dictionary.mentions(encounter):
        if item.mention not in seen:
            text, span = encounter.text(item.span.document_id), item.span
            seen[item.mention] = _Hit(
                tuple(tokens(text[span.start : span.end])[0]),
                negated(text[max(span.start - _BEFORE, 0) : span.start]),
                span.start / len(text),
            )
        hits[item.code].append(seen[item.mention])
    return dict(hits)
