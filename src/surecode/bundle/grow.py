"""A bundle → a bundle that knows more codes, without training (``surecode codes add``).

A coder with terms looks for the new code's wordings from then on; a network that stands beside
them does not learn the code. Without terms only a head of descriptions can do it: it makes query
and value of a new code from the code's description. The network's logits of old codes stay.
Calibrator and cut stay as they were chosen for the old codes; a new code, of which tune said
nothing, has no offset of its own. The certificate was made for another label space, so the new
bundle has none and codes in the mode ``assist``.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from surecode.bundle import layout
from surecode.bundle.grow_terms import grown_terms
from surecode.bundle.load import CALIBRATE, TRAIN, load_bundle
from surecode.bundle.seal import seal, verify
from surecode.bundle.weights import CoderSettings, read_weights
from surecode.coder.build import build_network
from surecode.coder.heads.descriptions import Descriptions
from surecode.coder.heads.embed import embed_descriptions
from surecode.codes import releases
from surecode.codes.descriptions import description_texts
from surecode.codes.label_space import LabelSpace
from surecode.coding import Coder
from surecode.data.batches import collate
from surecode.encounter import Code, Document, Encounter
from surecode.errors import InputError
from surecode.files import read_json, whole, write_json, write_text

# What does not hold for another label space.
VOID = (layout.CERTIFICATE, layout.MANIFEST)


def add_codes(
    bundle: Path,
    added: Sequence[Code],
    target: Path,
    descriptions: Path | None = None,
    today: date | None = None,
) -> dict[str, Any]:
    """Write a new bundle that knows the codes of ``bundle`` and those added.

    It is sealed where ``bundle`` is.

    Args:
        bundle: a trained or a registered bundle whose head is ``descriptions``, or with terms; left
            as it is.
        added: codes that its label space lacks.
        target: folder of the new bundle, which must not exist.
        descriptions: CSV (system, value, text) that is asked before the table of ICD-10-CM.
        today: the day on which the codes must be valid; the present day by default.

    Returns:
        Figures: the codes added, the size of the label space, the hashes of label space and model,
        and the manifest's sha256 (None where the bundle is not sealed).

    Raises:
        InputError: the head is of another kind, a code is malformed, invalid, known already or
            named twice, has no description, or ``target`` exists.
    """
    sealed = (bundle / layout.MANIFEST).is_file()
    if sealed:
        verify(bundle)
    coder = load_bundle(bundle, sealed=False)
    head = None if coder.network is None else coder.network.head
    if coder.terms is None and not isinstance(head, Descriptions):
        raise InputError(
            f"bundle {bundle}: its head has a query of its own for each code and cannot take new "
            "ones; train with head=descriptions, coder=lexicon or coder=hybrid"
        )
    if target.exists():
        raise InputError(f"{target}: is there already; name a folder that does not exist")
    texts = _checked(added, coder.label_space, descriptions, today or date.today())
    space = LabelSpace(tuple(sorted([*coder.label_space.codes, *added])))
    grown = None
    if coder.terms is None:
        assert isinstance(head, Descriptions)
        embeddings = _embeddings(bundle, coder, texts)
        positions = [space.index(code) for code in added]
        grown = head.grown(embeddings, positions)
        known = description_texts(coder.label_space.codes, descriptions)
        _hold_back(coder, grown, positions, [text for text in known if text is not None])

    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, so that the finished bundle takes its place in one step.
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as folder:
        draft = Path(folder) / "bundle"
        shutil.copytree(bundle, draft, ignore=shutil.ignore_patterns(*VOID))
        if grown is not None:
            _write_head(draft / layout.HEAD, grown)
        elif coder.terms is not None:
            more = grown_terms(coder.terms, added, texts)
            write_json(draft / layout.TERMS, more.to_dict())
            if more.titles is not None:
                more.titles.similarity.write(draft / layout.SIMILARITY)
        space.write(draft / layout.LABEL_SPACE)
        _move_offsets(draft / layout.CALIBRATOR, coder, space)
        _note_on_card(draft / layout.CARD, added)
        manifest = seal(draft) if sealed else None
        model = load_bundle(draft, sealed).hashes["model"]  # what is handed over can be loaded
        draft.rename(target)
    return {
        "added": [str(code) for code in sorted(added)],
        "codes": len(space),
        "label_space": space.hash,
        "model": model,
        "manifest": manifest,
    }


def _checked(
    added: Sequence[Code], space: LabelSpace, descriptions: Path | None, day: date
) -> list[str]:
    """The descriptions of the codes, once nothing speaks against adding them."""
    if not added:
        raise InputError("codes add: no code is named; name one such as ICD-10-CM:I10")
    seen: set[Code] = set()
    for code in added:
        releases.check(code, day)
        if code in space:
            raise InputError(f"code {code} is in the label space already; leave it out")
        if code in seen:
            raise InputError(f"code {code} is named twice; name it once")
        seen.add(code)
    texts = []
    for code, text in zip(added, description_texts(added, descriptions), strict=True):
        if text is None:
            raise InputError(
                f"code {code} has no description; give one in a CSV with the columns "
                "system,value,text (descriptions)"
            )
        texts.append(text)
    return texts


def _embeddings(bundle: Path, coder: Coder, texts: Sequence[str]) -> Tensor:
    """Embeddings ``[n, D]`` by the base encoder: an adapter that is fresh changes nothing yet."""
    settings = CoderSettings.model_validate(read_json(bundle / layout.CODER, TRAIN))
    encoder = settings.encoder.model_copy(update={"sha256": read_weights(bundle).lock.sha256})
    base, _ = build_network(encoder, settings.adapter, settings.head, len(coder.label_space))
    embeddings, _ = embed_descriptions(base.eval().encode, coder.windower, coder.padding_id, texts)
    return embeddings


def _hold_back(
    coder: Coder, head: Descriptions, positions: Sequence[int], texts: Iterable[str]
) -> None:
    """Lower the biases of the codes at ``positions`` until no text raises one above its prior."""
    network = coder.network
    assert network is not None  # its head was grown
    where = torch.as_tensor(positions)
    prior = head.bias.detach()[where]
    highest = prior.clone()
    with torch.inference_mode():
        for text in texts:
            batch = collate([coder.windower(_as_note(text))], coder.padding_id)
            states = network.encode(batch.to(prior.device)).float()
            highest = torch.maximum(highest, head(states, batch.tokens)[0, where])
    with torch.no_grad():
        head.bias[where] = 2 * prior - highest


def _as_note(text: str) -> Encounter:
    document = Document("description", "description", text)
    return Encounter(
        "description", "none", "none", "professional", "none", date(2000, 1, 1), (document,)
    )


def _write_head(path: Path, head: Descriptions) -> None:
    state = {name: tensor.cpu().contiguous() for name, tensor in head.state_dict().items()}
    with whole(path) as temporary:
        temporary.write_bytes(safetensors.torch.save(state))


def _move_offsets(path: Path, coder: Coder, space: LabelSpace) -> None:
    """Codes are in order, so those added stand between the old ones and move their offsets."""
    if coder.calibrator is None:
        return
    positions = [space.index(code) for code in coder.label_space.codes]
    probabilities = coder.calibrator.probabilities.grown(positions, len(space))
    values = read_json(path, CALIBRATE)
    write_json(path, values | {"probabilities": probabilities.to_dict()})


def _note_on_card(card: Path, added: Sequence[Code]) -> None:
    """A card's figures were measured before: say which codes they are silent about."""
    if not card.is_file():
        return
    lines = [
        "",
        "## Codes added after training",
        "",
        f"{', '.join(str(code) for code in sorted(added))}: taken from their descriptions, never "
        "trained on.",
        "Figures and certificate above belong to the bundle without them; this one has no "
        "certificate and leaves every encounter to review.",
    ]
    write_text(card, card.read_text(encoding="utf-8") + "\n".join(lines) + "\n")
