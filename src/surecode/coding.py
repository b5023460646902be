"""The coder at work: an encounter goes in, a decision record comes out.

It is a network, terms, or both (`surecode.hybrid`); what comes out is the same.

Evaluation, scoring and serving call the same :meth:`Coder.code`. Each encounter is encoded by
itself: a batch of strangers would change its last floating-point digits, and a record must not
depend on what else was coded.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version

import numpy as np
import torch
from numpy.typing import NDArray

from surecode.calibration.certificate import Certificate
from surecode.calibration.groups import group_name
from surecode.calibrator import Calibrator
from surecode.coder.network import Network
from surecode.codes.label_space import LabelSpace
from surecode.codes.releases import release_of, title
from surecode.data.batches import collate
from surecode.data.windows import Windower
from surecode.decide import decide
from surecode.encounter import Code, Document, Encounter
from surecode.errors import InputError
from surecode.evidence.policy import EvidencePolicy
from surecode.explaining import CALL_TOKENS, Explainer, Output
from surecode.hybrid.reader import TermReader
from surecode.record import CodeDecision, DecisionRecord


@dataclass(frozen=True)
class Coder:
    """One specialty's coder, ready to code.

    ``calibrator`` and ``evidence`` are None for a coder that was trained but not calibrated: it
    gives logits, no records. ``include`` says by field which encounters the certificate was made
    on; ``hashes`` name model, calibrator and label space, as the certificate does. ``demotion`` is
    why nothing is automated although the certificate is in force: an alarm of
    `surecode.monitoring`. Where terms have codes that the network does not know, ``columns`` are
    the positions of the network's in the label space.
    """

    specialty: str
    network: Network | None
    windower: Windower
    padding_id: int
    label_space: LabelSpace
    hashes: dict[str, str]
    runtime: str
    include: Mapping[str, Collection[str]] = field(default_factory=dict)
    calibrator: Calibrator | None = None
    evidence: EvidencePolicy | None = None
    certificate: Certificate | None = None
    demotion: str | None = None
    terms: TermReader | None = None
    columns: tuple[int, ...] | None = None
    disagreement: bool = False

    def run(self, encounter: Encounter) -> Output:
        """Logits and token states of one encounter; deterministic."""
        windows = self.windower(encounter)
        states, neural = None, None
        if self.network is not None:
            with torch.inference_mode():
                device = next(self.network.parameters()).device
                batch = collate([windows], self.padding_id, call_tokens=CALL_TOKENS).to(device)
                states = self.network.encode(batch)
                neural = self.network.read(states, batch.tokens)[0].cpu().numpy()
        if self.terms is None:
            assert neural is not None  # a coder has a network or terms
            return Output(windows, states, neural, neural)
        reading = self.terms(encounter, self.label_space, neural, self.columns)
        return Output(windows, states, reading.logits, neural, reading)

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
        explain, calibrator = self.explainer(), self.calibrator
        assert calibrator is not None  # no explainer without it
        day = today or date.today()
        finder = calibrator.facts
        facts = None
        if finder is not None:
            facts = finder([encounter], [output.windows], self.label_space)
        probabilities, assigned, confidence = calibrator(output.logits[None], facts)
        chosen = np.flatnonzero(assigned[0])
        ranked = sorted(chosen.tolist(), key=lambda k: (-probabilities[0, k], k))
        codes = [self.label_space.codes[k] for k in ranked]
        evidence = explain(
            encounter, output, codes, ranked, [float(probabilities[0, k]) for k in ranked]
        )
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
            doubts=[found.doubt for found in evidence if found.doubt is not None],
        )
        certified = None if self.certificate is None else self.certificate.group(group)
        return DecisionRecord(
            encounter_id=encounter.encounter_id,
            specialty=self.specialty,
            documents={d.document_id: d.sha256 for d in encounter.documents},
            mode=decision.mode,
            route=decision.route,
            reasons=decision.reasons,
            codes=tuple(
                CodeDecision(
                    system=code.system,
                    value=code.value,
                    release=release_of(code.system, encounter.date_of_service),
                    title=title(code),
                    probability=float(probabilities[0, k]),
                    source=found.source,
                    parts=found.parts,
                    evidence=found.quotes,
                    doubt=found.doubt,
                    verification=found.verification,
                )
                for code, k, found in zip(codes, ranked, evidence, strict=True)
            ),
            confidence=float(confidence[0]),
            threshold=None if certified is None else certified.threshold,
            certificate_id=None if self.certificate is None else self.certificate.id,
            versions={"surecode": version("surecode"), "runtime": self.runtime},
            hashes=dict(self.hashes),
        )

    def explainer(self) -> Explainer:
        """What explains this coder's codes; raises `InputError` where it is not calibrated."""
        if self.calibrator is None or self.evidence is None:
            raise InputError(
                f"the coder of {self.specialty} is not calibrated; run `surecode calibrate` first"
            )
        return Explainer(
            network=self.network,
            mask_id=self.windower.mask_id,
            padding_id=self.padding_id,
            probabilities=self.calibrator.probabilities,
            cut=self.calibrator.decoding.threshold,
            policy=self.evidence,
            space=self.label_space,
            terms=self.terms,
            columns=self.columns,
            disagreement=self.disagreement,
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

    def scored(self, logits: NDArray[np.floating]) -> list[tuple[Code, float]]:
        """Every code of the label space with its probability; the coder is calibrated."""
        assert self.calibrator is not None  # who asks for probabilities has calibrated
        p = self.calibrator.probabilities(logits[None])[0].tolist()
        return list(zip(self.label_space.codes, p, strict=True))

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
