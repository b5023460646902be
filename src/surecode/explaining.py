"""Why each assigned code: attribution or terms → spans → what they mean → deletion.

A code that a term names stands on the term; any other on the words that the network read it from.

Legend: T content tokens, K codes, n assigned ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import exp
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from surecode.calibration.probability_map import ProbabilityMap
from surecode.coder.attribution_view import attribution_view
from surecode.coder.network import Network
from surecode.codes.label_space import LabelSpace
from surecode.data.batches import collate
from surecode.data.windows import Windows
from surecode.encounter import Code, Encounter
from surecode.evidence.assertion import Assertion, assertion
from surecode.evidence.attribution import Method, attribute
from surecode.evidence.doubt import doubt_reason
from surecode.evidence.policy import EvidencePolicy
from surecode.evidence.sections import Section, headings, section_of, sections
from surecode.evidence.spans import ScoredSpan, evidence_spans
from surecode.evidence.verdict import Verification, judge
from surecode.evidence.verification import verify
from surecode.evidence.words import map_words
from surecode.hybrid.place import Place as TermPlace
from surecode.hybrid.reader import Reading, TermReader
from surecode.hybrid.shown import TermSpan, left, shown_spans
from surecode.record import Deleted, Meaning, Place, Quote
from surecode.verifying import deletion

# Most tokens of one encoder call: a chart of any length is coded at bounded memory.
CALL_TOKENS = 4096
# Share of the best span's score below which a span says nothing of how its code is meant.
_NOTHING = 0.1


@dataclass(frozen=True)
class Output:
    """What a coder says of one encounter. T content tokens, D width, K codes.

    ``states`` and ``neural`` are the network's, ``reading`` the terms', each where there is one.
    ``neural`` has the network's own ``[n]`` codes; ``logits`` are what all of them come to.
    """

    windows: Windows
    states: Tensor | None  # [T, D]
    logits: NDArray[np.float32]  # [K]
    neural: NDArray[np.float32] | None = None  # [n]
    reading: Reading | None = None


@dataclass(frozen=True)
class CodeEvidence:
    """The evidence of one code; ``doubt`` is why it needs a person, None where it does not.

    ``source`` and ``parts`` are those of `surecode.record.CodeDecision`.
    """

    quotes: tuple[Quote, ...]
    doubt: str | None
    verification: Deleted | None
    source: Literal["neural", "lexicon"]
    parts: dict[str, float]


@dataclass(frozen=True)
class Explainer:
    """A coder's network and terms with all that it takes to explain what they assigned.

    ``cut`` is the probability from which a code is assigned; ``columns`` are the positions of the
    network's codes in the label space, None where they are the same. With ``disagreement`` a code
    is in doubt that the parts do not both find likelier than not.
    """

    network: Network | None
    mask_id: int
    padding_id: int
    probabilities: ProbabilityMap
    cut: float
    policy: EvidencePolicy
    space: LabelSpace
    terms: TermReader | None = None
    columns: tuple[int, ...] | None = None
    disagreement: bool = False

    def __call__(
        self,
        encounter: Encounter,
        output: Output,
        codes: Sequence[Code],
        positions: Sequence[int],
        probabilities: Sequence[float],
        *,
        delete: bool = True,
    ) -> list[CodeEvidence]:
        """Evidence of n assigned codes, in their order.

        Args:
            encounter: what was coded.
            output: what the network said of it.
            codes: the n codes.
            positions: their places in the label space.
            probabilities: what they were assigned with.
            delete: verify by deletion, if the policy says so.
        """
        if not positions:
            return []
        texts = [document.text for document in encounter.documents]
        found = [sections(text) for text in texts]
        places = {} if output.reading is None else output.reading.places
        by_network = [k for k in positions if not places.get(k) and self.column(k) is not None]
        by_terms = {k: places[k] for k in positions if places.get(k)}
        spans: dict[int, Sequence[ScoredSpan]] = {
            **shown_spans(encounter, by_terms, self.policy.spans.maximum_spans)
        }
        if by_network and output.states is not None:
            scores = self.scores(output, by_network, self.policy.method)
            spans |= zip(by_network, self._spans(output, texts, found, scores), strict=True)
        chosen = [spans.get(k, []) for k in positions]
        verified: Sequence[Verification | None] = [None] * len(positions)
        if delete and self.policy.deletion != "none":
            verified = self._verified(encounter, output, positions, probabilities, chosen)
        return [
            self._evidence(encounter, found, code, some, verdict, places.get(k, ()), output, k)
            for code, k, some, verdict in zip(codes, positions, chosen, verified, strict=True)
        ]

    def parts(self, output: Output, position: int) -> dict[str, float]:
        """What each part would give a code alone, uncalibrated: ``network``, or ``terms``.

        Similarity to wordings, where a coder looks at it, counts with the terms.
        """
        said = {}
        column = self.column(position)
        if output.neural is not None and column is not None:
            said["network"] = _sigmoid(float(output.neural[column]))
        if output.reading is not None:
            said["terms"] = _sigmoid(float(output.reading.alone[position]))
        return said

    def column(self, position: int) -> int | None:
        """The network's own place of a code of the label space."""
        if self.network is None:
            return None
        if self.columns is None:
            return position
        return self._columns.get(position)

    @cached_property
    def _columns(self) -> Mapping[int, int]:
        return {position: k for k, position in enumerate(self.columns or ())}

    def scores(
        self, output: Output, positions: Sequence[int], method: Method
    ) -> NDArray[np.float32]:
        """What each token says for some codes that the network knows, ``[T, n]``."""
        assert self.network is not None  # who asks for tokens has a network
        assert output.states is not None
        own = [column for k in positions if (column := self.column(k)) is not None]
        if method == "head":  # the states are there, and nothing else is needed
            with torch.inference_mode():
                columns = torch.tensor(own, dtype=torch.int64, device=output.states.device)
                found: NDArray[np.float32] = (
                    self.network.contributions(output.states, columns).cpu().numpy()
                )
            return found
        device = next(self.network.parameters()).device
        batch = collate([output.windows], self.padding_id).to(device)
        view = attribution_view(self.network, batch, self.mask_id)
        return attribute(view, own, method=method, mass_left_out=self.policy.mass_left_out).scores

    def _spans(
        self,
        output: Output,
        texts: Sequence[str],
        found: Sequence[Sequence[Section]],
        scores: NDArray[np.float32],
    ) -> list[list[ScoredSpan]]:
        places = headings(found)
        words = map_words(texts, output.windows.document, output.windows.offsets)
        return [
            evidence_spans(words.words(scores[:, column]), texts, self.policy.spans, places)
            for column in range(scores.shape[1])
        ]

    def _verified(
        self,
        encounter: Encounter,
        output: Output,
        positions: Sequence[int],
        probabilities: Sequence[float],
        spans: Sequence[Sequence[ScoredSpan]],
    ) -> Sequence[Verification | None]:
        only = self.policy.deletion == "both"
        joined = self._joined(encounter, output, dict(zip(positions, spans, strict=True)))
        if self.network is None or output.states is None:
            assert joined is not None  # without a network there are terms
            return [
                self._judged(joined, output, k, p, some, only)
                for k, p, some in zip(positions, probabilities, spans, strict=True)
            ]
        part = deletion(
            self.network,
            self.probabilities,
            output.logits,
            cut=self.cut,
            mask_id=self.mask_id,
            padding_id=self.padding_id,
            call_tokens=CALL_TOKENS,
            joined=joined,
            columns=self.columns,
        )
        return verify(
            output.windows, output.states, spans, positions, probabilities, part, only=only
        ).codes

    def _joined(
        self, encounter: Encounter, output: Output, spans: Mapping[int, Sequence[ScoredSpan]]
    ) -> Callable[[int, float | None, bool], float] | None:
        """The logit of terms and network for a code whose spans are deleted, or all the rest."""
        if self.terms is None:
            return None
        reader = self.terms

        def joined(position: int, logit: float | None, only: bool) -> float:
            neural = None if output.neural is None else output.neural.copy()
            column = self.column(position)
            if neural is not None and column is not None and logit is not None:
                neural[column] = logit
            rest = left(encounter, spans[position], only)
            known = None if output.reading is None else output.reading.rows
            found = reader(rest, self.space, neural, self.columns, known)
            return float(found.logits[position])

        return joined

    def _judged(
        self,
        joined: Callable[[int, float | None, bool], float],
        output: Output,
        position: int,
        probability: float,
        spans: Sequence[ScoredSpan],
        only: bool,
    ) -> Verification:
        """The verification of a code that has nothing but terms."""

        def again(alone: bool) -> float:
            changed = np.array(output.logits, dtype=np.float64)
            changed[position] = joined(position, None, alone)
            return float(self.probabilities(changed[None])[0, position])

        if not spans:
            return judge(probability, None, None, self.cut)
        return judge(probability, again(False), again(True) if only else None, self.cut)

    def _evidence(
        self,
        encounter: Encounter,
        found: Sequence[Sequence[Section]],
        code: Code,
        spans: Sequence[ScoredSpan],
        verdict: Verification | None,
        places: Sequence[TermPlace],
        output: Output,
        position: int,
    ) -> CodeEvidence:
        texts = [document.text for document in encounter.documents]
        meant = {
            place: assertion(texts[place[0]], place[1], place[2], found[place[0]])
            for span in spans
            for place in (span.place, *span.places)
        }
        # Every mention counts, not only the one that is quoted; a term is judged as a whole.
        said = [place.meant for place in places] or [
            meant[place] for span in _strong(spans) for place in (span.place, *span.places)
        ]
        parts = self.parts(output, position)
        doubt = doubt_reason(code, said, self.policy.doubts)
        if doubt is None and self.disagreement and len({p > 0.5 for p in parts.values()}) > 1:
            doubt = f"network and terms disagree on {code}"
        return CodeEvidence(
            quotes=tuple(
                _quote(encounter, found, span, meant[span.place], number)
                for number, span in enumerate(spans)
            ),
            doubt=doubt,
            verification=None
            if verdict is None
            else Deleted(verdict.status, verdict.p_without, verdict.p_only, verdict.flips),
            source="lexicon" if places else "neural",
            parts={name: round(p, 6) for name, p in parts.items()},
        )


def _strong(spans: Sequence[ScoredSpan]) -> list[ScoredSpan]:
    """The spans that a code stands on, without those that add next to nothing."""
    least = _NOTHING * max((span.score for span in spans), default=0.0)
    return [span for span in spans if span.score >= least]


def _sigmoid(logit: float) -> float:
    return 1.0 / (1.0 + exp(-logit))


def _quote(
    encounter: Encounter,
    found: Sequence[Sequence[Section]],
    span: ScoredSpan,
    said: Assertion,
    number: int,
) -> Quote:
    document = encounter.documents[span.document]
    section = section_of(found[span.document], span.start)
    return Quote(
        document_id=document.document_id,
        start=span.start,
        end=span.end,
        quote=document.text[span.start : span.end],
        score=span.score,
        section=None if section is None else section.kind,
        meaning=Meaning(said.polarity, said.certainty, said.time, said.experiencer),
        mentions=tuple(
            Place(encounter.documents[place[0]].document_id, place[1], place[2])
            for place in span.places
            if place != span.place
        ),
        low=span.low,
        rule=span.rule if isinstance(span, TermSpan) else None,
        mention=span.number if isinstance(span, TermSpan) else number,
    )
