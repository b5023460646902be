"""What terms with their words apart say of codes, sentence by sentence."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from surecode.encounter import Code, Encounter, Span
from surecode.evidence.assertion import Assertion, assertion
from surecode.evidence.sections import Section, sections
from surecode.hybrid.place import Place
from surecode.hybrid.statistics import UNSEEN, Statistics
from surecode.hybrid.surroundings import Surroundings
from surecode.lexicon.meaning import usable
from surecode.lexicon.scattered import Group, Scatter, ScatteredTerms
from surecode.lexicon.senses import Sense


@dataclass
class Best:
    """What is known so far of one code: sums over its sentences, features of the best of them."""

    score: float = -1.0
    features: list[float] = field(default_factory=lambda: [0.0] * 12)
    whole: int = 0
    partly: float = 0.0
    sentences: int = 0
    affirmed: int = 0


class Reader:
    """An encounter's documents, with what is said at a place; read once."""

    def __init__(self, encounter: Encounter) -> None:
        self.documents = encounter.documents
        self.words = sum(document.text.count(" ") + 1 for document in encounter.documents)
        self._sections: dict[str, list[Section]] = {}
        self._surroundings: dict[str, Surroundings] = {}

    def said(self, document: int, start: int, end: int) -> Assertion:
        """How characters of a document are meant."""
        text, name = self.documents[document].text, self.documents[document].document_id
        if name not in self._sections:
            self._sections[name] = list(sections(text))
        return assertion(text, start, end, self._sections[name])

    def sense(self, span: Span, code: Code) -> Sense:
        """What the rules of ambiguous words say of a code where a term stands."""
        if (name := span.document_id) not in self._surroundings:
            (text,) = (one.text for one in self.documents if one.document_id == name)
            self._surroundings[name] = Surroundings(text)
        return self._surroundings[name].sense(span.start, span.end, code)

    def supported(self, group: Group, scatter: Scatter, document: int) -> Group:
        """A group without the ambiguous words whose sense is not supported where it stands."""
        if all(term.source != "sense" for term in group.terms):
            return group
        name = self.documents[document].document_id
        span = Span(name, scatter.words[0][0], scatter.words[-1][1])
        kept = tuple(
            term
            for term in group.terms
            if term.source != "sense"
            or (scatter.full and self.sense(span, term.code) == "supported")
        )
        return replace(group, terms=kept)

    def scattered(self, terms: ScatteredTerms) -> Iterator[tuple[Group, Scatter, Assertion, int]]:
        """Group, place, meaning and document of each place; what is not whole is not judged."""
        for number, document in enumerate(self.documents):
            for sentence in terms.find(document):
                for scatter in sentence:
                    meant = Assertion()
                    if scatter.full:
                        meant = self.said(number, scatter.words[0][0], scatter.words[-1][1])
                    yield terms.spoken(scatter), scatter, meant, number


def apart_features(
    reader: Reader,
    terms: ScatteredTerms,
    statistics: Statistics,
    places: Mapping[Code, list[Place]],
) -> dict[Code, Best]:
    """What is known of each code by terms of train, lists and rules of senses, words apart.

    Places go into ``places``.
    """
    found: defaultdict[Code, Best] = defaultdict(Best)
    for whole, scatter, meant, document in reader.scattered(terms):
        group = reader.supported(whole, scatter, document)
        denied = not usable(meant)
        annotated: defaultdict[Code, int] = defaultdict(int)
        for term in group.terms:
            annotated[term.code] += term.count
        counted = {code: max(count, 1) for code, count in annotated.items()}
        # Counts say nothing of a code that an ambiguous word has only where a rule supports it.
        asked = {term.code for term in group.terms if term.source != "sense"}
        total = sum(count for code, count in counted.items() if code in asked)
        seen = statistics.groups.get(group.key, (0, {}))[0]
        close = math.exp(-0.05 * scatter.excess)
        for code, count in counted.items():
            share = count / total if code in asked else 1.0
            precision = statistics.precision(group.key, code) if code in asked else UNSEEN
            state = found[code]
            state.sentences += 1
            if scatter.full:
                score = precision * share**0.2 * close
                score *= (0.6 if scatter.shadowed else 1.0) * (0.4 if denied else 1.0)
                state.whole += 1
                state.affirmed += not (scatter.shadowed or denied)
                places[code].append(
                    _place(reader, group, scatter, meant, document, code, precision)
                )
            else:
                score = 0.2 * scatter.coverage * share * close
                state.partly = max(state.partly, scatter.coverage)
            if score > state.score:
                state.score = score
                state.features = [
                    float(scatter.full),
                    scatter.coverage,
                    score,
                    share,
                    math.log1p(count),
                    math.log1p(scatter.excess),
                    float(denied),
                    float(scatter.shadowed),
                    float(len(group.key)),
                    group.weight,
                    precision,
                    math.log1p(seen),
                ]
    return dict(found)


def best_features(best: Best | None) -> list[float]:
    """Sixteen features of one code, zero where no such term names it."""
    if best is None:
        return [0.0] * 16
    return [
        *best.features,
        math.log1p(best.whole),
        best.partly,
        math.log1p(best.sentences),
        math.log1p(best.affirmed),
    ]


def precision_of(best: Best | None) -> float:
    """P(code | words found) of words that are found whole."""
    return best.features[10] if best is not None and best.features[0] else 0.0


def title_features(
    reader: Reader, titles: ScatteredTerms, places: Mapping[Code, list[Place]]
) -> dict[Code, list[float]]:
    """Eight features of each code that a title names; places are added to ``places``."""
    best: dict[Code, tuple[tuple[object, ...], list[float]]] = {}
    times: defaultdict[Code, int] = defaultdict(int)
    for group, scatter, meant, document in reader.scattered(titles):
        denied = not usable(meant)
        rank = (not scatter.shadowed, not denied, -scatter.excess, len(group.key))
        codes = {term.code for term in group.terms}
        features = [
            1.0,
            float(scatter.shadowed),
            float(denied),
            math.log1p(scatter.excess),
            float(len(group.key)),
            group.weight,
            math.log1p(len(codes)),
        ]
        for code in codes:
            times[code] += 1
            if code not in best or rank > best[code][0]:
                best[code] = rank, features
            places[code].append(
                _place(reader, group, scatter, meant, document, code, 0.3 / len(codes))
            )
    return {code: [*features, math.log1p(times[code])] for code, (_, features) in best.items()}


def _place(
    reader: Reader,
    group: Group,
    scatter: Scatter,
    meant: Assertion,
    document: int,
    code: Code,
    probability: float,
) -> Place:
    term = min((t for t in group.terms if t.code == code), key=lambda t: (-t.count, t.rule))
    name, text = reader.documents[document].document_id, reader.documents[document].text
    spans = tuple(Span(name, start, end) for start, end in _joined(text, scatter.words))
    return Place(spans, term.source, term.rule, "scattered", probability, meant, probability)


def _joined(text: str, words: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Words between which stands nothing but a word of up to three letters become one span."""
    spans = [words[0]]
    for start, end in words[1:]:
        between = text[spans[-1][1] : start].split()
        if len(between) <= 1 and all(len(word) <= 3 for word in between):
            spans[-1] = spans[-1][0], end
        else:
            spans.append((start, end))
    return spans
