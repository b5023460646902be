"""Why each assigned code: attribution → words → spans → what they mean → deletion.

Legend: T content tokens, K codes, n assigned ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from surecode.calibration.probability_map import ProbabilityMap
from surecode.coder.attribution_view import attribution_view
from surecode.coder.network import Network
from surecode.data.batches import collate
from surecode.data.windows import Windows
from surecode.encounter import Code, Encounter
from surecode.evidence.assertion import Assertion, assertion
from surecode.evidence.attribution import Method, attribute
from surecode.evidence.doubt import doubt_reason
from surecode.evidence.policy import EvidencePolicy
from surecode.evidence.sections import Section, headings, section_of, sections
from surecode.evidence.spans import ScoredSpan, evidence_spans
from surecode.evidence.verdict import Verification
from surecode.evidence.verification import verify
from surecode.evidence.words import map_words
from surecode.record import Deleted, Meaning, Place, Quote
from surecode.verifying import deletion

# Most tokens of one encoder call: a chart of any length is coded at bounded memory.
CALL_TOKENS = 4096


@dataclass(frozen=True)
class Output:
    """What the network says of one encounter. T content tokens, D width, K codes."""

    windows: Windows
    states: Tensor  # [T, D]
    logits: NDArray[np.float32]  # [K]


@dataclass(frozen=True)
class CodeEvidence:
    """The evidence of one code; ``doubt`` is why it needs a person, None where it does not."""

    quotes: tuple[Quote, ...]
    doubt: str | None
    verification: Deleted | None


@dataclass(frozen=True)
class Explainer:
    """A coder's network with all that it takes to explain what it assigned.

    ``cut`` is the probability from which a code is assigned.
    """

    network: Network
    mask_id: int
    padding_id: int
    probabilities: ProbabilityMap
    cut: float
    policy: EvidencePolicy

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
        scores = self.scores(output, positions, self.policy.method)
        spans = self._spans(output, texts, found, scores)
        verified: Sequence[Verification | None] = [None] * len(positions)
        if delete and self.policy.deletion != "none":
            verified = self._verified(output, positions, probabilities, spans)
        return [
            self._evidence(encounter, found, code, chosen, verdict)
            for code, chosen, verdict in zip(codes, spans, verified, strict=True)
        ]

    def scores(
        self, output: Output, positions: Sequence[int], method: Method
    ) -> NDArray[np.float32]:
        """What each token says for some codes, ``[T, n]``."""
        if method == "head":  # the states are there, and nothing else is needed
            with torch.inference_mode():
                columns = torch.tensor(
                    list(positions), dtype=torch.int64, device=output.states.device
                )
                found: NDArray[np.float32] = (
                    self.network.contributions(output.states, columns).cpu().numpy()
                )
            return found
        device = next(self.network.parameters()).device
        batch = collate([output.windows], self.padding_id).to(device)
        view = attribution_view(self.network, batch, self.mask_id)
        return attribute(
            view, list(positions), method=method, mass_left_out=self.policy.mass_left_out
        ).scores

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
        output: Output,
        positions: Sequence[int],
        probabilities: Sequence[float],
        spans: Sequence[Sequence[ScoredSpan]],
    ) -> Sequence[Verification | None]:
        part = deletion(
            self.network,
            self.probabilities,
            output.logits,
            cut=self.cut,
            mask_id=self.mask_id,
            padding_id=self.padding_id,
            call_tokens=CALL_TOKENS,
        )
        only = self.policy.deletion == "both"
        return verify(
            output.windows, output.states, spans, positions, probabilities, part, only=only
        ).codes

    def _evidence(
        self,
        encounter: Encounter,
        found: Sequence[Sequence[Section]],
        code: Code,
        spans: Sequence[ScoredSpan],
        verdict: Verification | None,
    ) -> CodeEvidence:
        texts = [document.text for document in encounter.documents]
        meant = {
            place: assertion(texts[place[0]], place[1], place[2], found[place[0]])
            for span in spans
            for place in (span.place, *span.places)
        }
        return CodeEvidence(
            quotes=tuple(_quote(encounter, found, span, meant[span.place]) for span in spans),
            # Every mention of the words counts, not only the one that is quoted.
            doubt=doubt_reason(code, list(meant.values()), self.policy.doubts),
            verification=None
            if verdict is None
            else Deleted(verdict.status, verdict.p_without, verdict.p_only, verdict.flips),
        )


def _quote(
    encounter: Encounter,
    found: Sequence[Sequence[Section]],
    span: ScoredSpan,
    said: Assertion,
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
    )
