"""The coder at work: an encounter goes in, a decision record comes out.

Evaluation, scoring and serving call the same :meth:`Coder.code`. Each encounter is encoded by
itself: a batch of strangers would change its last floating-point digits, and a record must not
depend on what else was coded.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from surecode.calibration.certificate import Certificate
from surecode.calibration.groups import group_name
from surecode.calibrator import Calibrator
from surecode.coder.network import Network
from surecode.codes.label_space import LabelSpace
from surecode.codes.releases import release_of, title
from surecode.data.batches import collate
from surecode.data.windows import Windower, Windows
from surecode.decide import decide
from surecode.encounter import Code, Document, Encounter
from surecode.errors import InputError
from surecode.evidence.spans import SpanPolicy, evidence_spans
from surecode.evidence.words import score_words
from surecode.record import CodeDecision, DecisionRecord, Quote

# Most tokens of one encoder call: a chart of any length is coded at bounded memory.
CALL_TOKENS = 4096


@dataclass(frozen=True)
class Output:
    """What the network says of one encounter. T content tokens, D width, K codes."""

    windows: Windows
    states: Tensor  # [T, D]
    logits: NDArray[np.float32]  # [K]


@dataclass(frozen=True)
class Coder:
    """One specialty's coder, ready to code.

    ``calibrator`` and ``spans`` are None for a coder that was trained but not calibrated: it gives
    logits, no records. ``include`` says by field which encounters the certificate was made on;
    ``hashes`` name model, calibrator and label space, as the certificate does. ``demotion`` is why
    nothing is automated although the certificate is in force: an alarm of `surecode.monitoring`.
    """

    specialty: str
    network: Network
    windower: Windower
    padding_id: int
    label_space: LabelSpace
    hashes: dict[str, str]
    runtime: str
    include: Mapping[str, Collection[str]] = field(default_factory=dict)
    calibrator: Calibrator | None = None
    spans: SpanPolicy | None = None
    certificate: Certificate | None = None
    demotion: str | None = None

    def run(self, encounter: Encounter) -> Output:
        """Logits and token states of one encounter; deterministic."""
        windows = self.windower(encounter)
        with torch.inference_mode():
            device = next(self.network.parameters()).device
            batch = collate([windows], self.padding_id, call_tokens=CALL_TOKENS).to(device)
            states = self.network.encode(batch)
            logits = self.network.read(states, batch.tokens)[0]
        return Output(windows, states, logits.cpu().numpy())

    def contributions(self, output: Output, positions: Sequence[int]) -> NDArray[np.float32]:
        """What each token adds to the logits of some codes, ``[T, len(positions)]``."""
        with torch.inference_mode():
            codes = torch.tensor(list(positions), dtype=torch.int64, device=output.states.device)
            found: NDArray[np.float32] = (
                self.network.contributions(output.states, codes).cpu().numpy()
            )
        return found

    def logits(self, encounters: Iterable[Encounter]) -> Iterator[NDArray[np.float32]]:
        """Logits ``[K]`` of each encounter."""
        return (self.run(encounter).logits for encounter in encounters)

    def code(self, note: Encounter | str, today: date | None = None) -> DecisionRecord:
        """Code one encounter, or one note as plain text.

        Args:
            note: an encounter, or the text of one note (its date of service is then ``today``).
            today: the day on which the certificate must be in force; the present day by default.

        Raises:
            InputError: the note is empty, or the coder was never calibrated.
        """
        day = today or date.today()
        encounter = self._encounter(note, day) if isinstance(note, str) else note
        return self.record(encounter, self.run(encounter), day)

    def record(
        self, encounter: Encounter, output: Output, today: date | None = None
    ) -> DecisionRecord:
        """The decision record of what the network said of an encounter."""
        if self.calibrator is None or self.spans is None:
            raise InputError(
                f"the coder of {self.specialty} is not calibrated; run `surecode calibrate` first"
            )
        day = today or date.today()
        finder = self.calibrator.facts
        facts = None
        if finder is not None:
            facts = finder([encounter], [output.windows], self.label_space)
        probabilities, assigned, confidence = self.calibrator(output.logits[None], facts)
        chosen = np.flatnonzero(assigned[0])
        group = self.group(encounter)
        decision = decide(
            float(confidence[0]),
            len(chosen),
            self.certificate,
            self.hashes,
            day,
            in_scope=self.in_scope(encounter),
            group=group,
            demotion=self.demotion,
        )
        certified = None if self.certificate is None else self.certificate.group(group)
        ranked = sorted(chosen.tolist(), key=lambda k: (-probabilities[0, k], k))
        contributions = self.contributions(output, ranked)
        return DecisionRecord(
            encounter_id=encounter.encounter_id,
            specialty=self.specialty,
            mode=decision.mode,
            route=decision.route,
            reasons=decision.reasons,
            codes=tuple(
                self._code_decision(
                    encounter,
                    output.windows,
                    contributions[:, column],
                    self.spans,
                    k,
                    float(probabilities[0, k]),
                )
                for column, k in enumerate(ranked)
            ),
            confidence=float(confidence[0]),
            threshold=None if certified is None else certified.threshold,
            certificate_id=None if self.certificate is None else self.certificate.id,
            versions={"surecode": version("surecode"), "runtime": self.runtime},
            hashes=dict(self.hashes),
        )

    def in_scope(self, encounter: Encounter) -> bool:
        """Whether the encounter's specialty, setting and payer are among those included."""
        return all(getattr(encounter, name) in among for name, among in self.include.items())

    def group(self, encounter: Encounter) -> str:
        """The encounter's group by the fields that the certificate groups by."""
        fields = () if self.certificate is None else self.certificate.group_by
        return group_name({name: getattr(encounter, name) for name in fields}, fields)

    def ranked(self, logits: NDArray[np.floating]) -> list[Code]:
        """Every code of the label space, most probable first.

        Equal probabilities go by logit, and these in label-space order.
        """
        odds = logits
        if self.calibrator is not None:
            odds = self.calibrator.probabilities.log_odds(logits[None])[0]
        order = np.lexsort([-logits, -odds])
        return [self.label_space.codes[k] for k in order]

    def _code_decision(
        self,
        encounter: Encounter,
        windows: Windows,
        contributions: NDArray[np.float32],
        policy: SpanPolicy,
        position: int,
        probability: float,
    ) -> CodeDecision:
        code = self.label_space.codes[position]
        texts = [document.text for document in encounter.documents]
        words = score_words(texts, windows.document, windows.offsets, contributions)
        evidence = tuple(
            Quote(
                encounter.documents[span.document].document_id,
                span.start,
                span.end,
                texts[span.document][span.start : span.end],
                span.score,
            )
            for span in evidence_spans(words, texts, policy)
        )
        release = release_of(code.system, encounter.date_of_service)
        return CodeDecision(
            code.system, code.value, release, title(code), probability, "neural", evidence
        )

    def _encounter(self, text: str, day: date) -> Encounter:
        return Encounter(
            encounter_id="note",
            patient_id="unknown",
            specialty=next(iter(self.include.get("specialty", ())), self.specialty),
            setting="professional",
            payer="unknown",
            date_of_service=day,
            documents=(Document("note", "note", text),),
        )
