"""What evidence costs, in forward passes of one encounter; the last line is one JSON object.

    python scripts/bench_evidence.py                     # train on synthetic notes first, seed 0
    python scripts/bench_evidence.py --run FOLDER        # the coder of a run folder instead

One encounter of 8 windows, its 20 most probable codes, one thread. The unit is `Coder.run` of the
encounter: logits and token states, no record. Everything is timed in turns; a ratio is that of two
medians, of CPU time (the figures by name) and of the wall.

``tier0``: the run, and the head's contributions to all codes. ``tier1``: AttInGrad from nothing,
its own forward pass included; ``tier1_exact``: with nothing left out. ``verify``: probabilities
without the codes' spans, the run and the spans not included; ``verify_both``: with nothing but the
spans as well. ``captum_loop``: Captum's InputXGradient, one code after the other.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from captum.attr import InputXGradient
from numpy.typing import NDArray
from torch import Tensor, nn

from surecode.bundle.load import load_trained
from surecode.calibration.probabilities import ProbabilityCalibrator
from surecode.coder.attribution_view import AttributionView, attribution_view
from surecode.coder.build import build_network
from surecode.coder.encoder import load_tokenizer
from surecode.coder.folded_lora import fold_lora
from surecode.coder.network import Network
from surecode.coder.runtime import Runtime
from surecode.codes.label_space import LabelSpace
from surecode.coding import Coder
from surecode.config import compose_config, parse
from surecode.data.batches import Batch, collate
from surecode.data.sources.synthetic.generate import SPECIALTIES, generate
from surecode.data.windows import Windower
from surecode.denormals import without_denormals
from surecode.encounter import Document, Encounter, GoldCode
from surecode.evidence.attribution import Attribution, attribute
from surecode.evidence.spans import SpanPolicy, evidence_spans
from surecode.evidence.verification import Verified, verify
from surecode.evidence.words import map_words
from surecode.settings import Config
from surecode.verifying import deletion

Codes = NDArray[np.int64]

GOALS = {"tier0": 1.10, "tier1": 8.0, "verify": 5.0}
LONGEST = 8  # most notes of an encounter of training, and single notes of a step
POLICY = SpanPolicy(positive_mass=0.6, maximum_gap=1, maximum_spans=3)
TIMED = ("tier0", "tier1", "tier1_exact", "verify", "verify_both")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, help="run folder with a trained bundle/")
    parser.add_argument("--steps", type=int, default=400, help="optimizer steps without --run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--codes", type=int, default=20)
    parser.add_argument("--windows", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--mass-left-out", type=float, default=0.01)
    parser.add_argument("overrides", nargs="*", help="settings, such as encoder.window_length=128")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # threads that wait for each other burn CPU time, too
    notes = synthetic(arguments.seed)
    if arguments.run is None:
        coder, source = trained(notes, arguments.steps, arguments.seed, arguments.overrides)
    else:
        coder = load_trained(arguments.run / "bundle", Runtime("fp32", "sdpa"))
        source = f"run folder {arguments.run.name}"
    encounter = long_encounter(coder.windower, notes, arguments.windows)
    logits = coder.run(encounter).logits
    codes = np.argsort(-logits, kind="stable")[: arguments.codes]
    figures = compared(coder, encounter, codes, arguments.repeats, arguments.mass_left_out)
    figures["coder"] = source
    figures["codes_above_half"] = int((logits[codes] > 0).sum())
    print_table(figures)
    print(json.dumps(figures))


# ---- notes and coder -----------------------------------------------------------------------------


def synthetic(seed: int) -> list[Encounter]:
    """Notes of all specialties in turns."""
    day = date(2026, 1, 1)
    drawn = [
        generate(
            specialty=name,
            encounters=800,
            seed=seed,
            difficulty=0.1,
            typo_rate=0.02,
            start=day,
            end=date(2026, 6, 30),
        )
        for name in SPECIALTIES
    ]
    return [note for together in zip(*drawn, strict=True) for note in together]


def strung(notes: Sequence[Encounter]) -> Encounter:
    """Notes one behind the other as one document of one encounter, with the codes of all."""
    text = "".join(document.text + "\n" for note in notes for document in note.documents)
    codes = sorted(set().union(*(note.code_set for note in notes)))
    first = notes[0]
    return Encounter(
        first.encounter_id,
        first.patient_id,
        first.specialty,
        first.setting,
        first.payer,
        first.date_of_service,
        (Document("strung", "note", text),),
        tuple(GoldCode(code, number) for number, code in enumerate(codes, start=1)),
    )


def long_encounter(windower: Windower, notes: Sequence[Encounter], windows: int) -> Encounter:
    """As many whole notes that training has not seen as fit into so many windows."""
    fitting = strung(notes[-1:])
    for count in range(2, len(notes)):
        longer = strung(notes[-count:])
        if len(windower(longer).input_ids) > windows:
            break
        fitting = longer
    return fitting


def trained(
    notes: Sequence[Encounter], steps: int, seed: int, overrides: Sequence[str]
) -> tuple[Coder, str]:
    """A coder of every code that ten notes have; merged, fp32.

    Trained on three of four notes: single ones first, from which attention is learned, and then, in
    the last quarter of the steps, encounters of one to ``LONGEST`` notes, as the one to explain is.
    """
    config = parse(Config, compose_config("train", ["specialty=radiology", *overrides]))
    draw, seen = np.random.default_rng(seed), notes[: len(notes) * 3 // 4]

    def drawn(count: int) -> Encounter:
        return strung([seen[i] for i in draw.choice(len(seen), count, replace=False)])

    single = steps - steps // 4
    train = [[drawn(1) for _ in range(LONGEST)] for _ in range(single)] + [
        [drawn(int(draw.integers(1, LONGEST + 1))) for _ in range(2)] for _ in range(steps - single)
    ]
    counts: dict[Any, int] = {}
    for note in seen:
        for code in note.code_set:
            counts[code] = counts.get(code, 0) + 1
    space = LabelSpace(tuple(sorted(code for code, count in counts.items() if count >= 10)))
    tokenizer = load_tokenizer(config.encoder)
    windower = Windower(tokenizer, config.encoder.window_length, config.encoder.window_overlap)
    padding_id = int(tokenizer.pad_token_id or 0)
    batches = [
        (
            collate(windower.all(step), padding_id),
            torch.from_numpy(space.encode([e.code_set for e in step])).float(),
        )
        for step in train
    ]
    torch.manual_seed(seed)
    network, _ = build_network(config.encoder, config.adapter, config.head, len(space))
    network.head.start_at(torch.cat([gold for _, gold in batches]).mean(dim=0))
    loss = _fit(network, config, batches)
    network.merge_adapter()
    network.eval().requires_grad_(False)
    coder = Coder(
        specialty="radiology",
        network=network,
        windower=windower,
        padding_id=padding_id,
        label_space=space,
        hashes={},
        runtime="torch-cpu-fp32-sdpa",
    )
    source = (
        f"{config.encoder.name}, {config.head.kind}, {len(space)} codes, {steps} steps on "
        f"synthetic notes, seed {seed}, last loss {loss:.4f}"
    )
    return coder, source


def _fit(network: Network, config: Config, batches: Sequence[tuple[Batch, Tensor]]) -> float:
    """One optimizer step for each batch; the loss of the last ones, per encounter and code."""
    fold_lora(network.encoder)
    adapter = [p for p in network.encoder.parameters() if p.requires_grad]
    groups = [
        {"params": adapter, "lr": config.adapter.learning_rate},
        {"params": list(network.head.parameters()), "lr": config.optim.head_learning_rate},
    ]
    optimizer = torch.optim.AdamW([group for group in groups if group["params"]])
    decay = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda done: 1 - done / len(batches))
    losses: list[float] = []
    network.train()
    with without_denormals():
        for batch, gold in batches:
            loss = nn.functional.binary_cross_entropy_with_logits(network(batch), gold)
            optimizer.zero_grad()
            (loss * gold.shape[1]).backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_([*adapter, *network.head.parameters()], 1.0)
            optimizer.step()
            decay.step()
            losses.append(float(loss.detach()))
    return float(np.mean(losses[-20:] or [np.nan]))


# ---- what is timed -------------------------------------------------------------------------------


def compared(
    coder: Coder,
    encounter: Encounter,
    codes: Codes,
    repeats: int,
    mass: float,
) -> dict[str, Any]:
    batch = collate([coder.windower(encounter)], coder.padding_id)
    mask_id = coder.windower.mask_id

    def tier1(left: float) -> Attribution:
        view = attribution_view(coder.network, batch, mask_id)
        return attribute(view, codes, method="attingrad", mass_left_out=left)

    runs: dict[str, Callable[[], object]] = {
        "run": lambda: coder.run(encounter),
        "tier0": lambda: head_contributions(coder, coder.run(encounter).states, codes),
        "tier1": lambda: tier1(mass),
        "tier1_exact": lambda: tier1(0.0),
        "verify": verifying(coder, encounter, codes, only=False),
        "verify_both": verifying(coder, encounter, codes, only=True),
    }
    cpu, wall = in_turns(runs, repeats)
    # The loop is slow and steady: few codes, few times, and in proportion.
    some = codes[: min(len(codes), 2)]
    view = attribution_view(coder.network, batch, mask_id)
    slow_cpu, slow_wall = in_turns(
        {"run": runs["run"], "loop": lambda: captum_loop(view, some)}, min(repeats, 3)
    )
    found, exact = tier1(mass), tier1(0.0)
    assert found.left_out is not None
    assert exact.left_out is not None
    checked = verifying(coder, encounter, codes, only=False)()
    return {
        **{name: cpu[name] / cpu["run"] for name in TIMED},
        "captum_loop": slow_cpu["loop"] / slow_cpu["run"] * len(codes) / len(some),
        "wall": {
            **{name: wall[name] / wall["run"] for name in TIMED},
            "captum_loop": slow_wall["loop"] / slow_wall["run"] * len(codes) / len(some),
        },
        "goals": GOALS,
        "run_cpu_s": cpu["run"],
        "windows": len(batch.lengths),
        "tokens": sum(batch.lengths),
        "codes": len(codes),
        "mass_left_out": mass,
        "windows_kept_per_code": kept_windows(view, found),
        "windows_verified": checked.windows,
        "largest_left_out": float(found.left_out.max()),
        "relative_l1_error": float(
            (np.abs(found.scores - exact.scores).sum(0) / np.abs(exact.scores).sum(0)).mean()
        ),
        "agreement_with_captum": agreement(view, codes[:2]),
        "attention_on_best_window": attention_share(view, codes),
        "repeats": repeats,
        "torch": torch.__version__,
    }


def head_contributions(coder: Coder, states: Tensor, codes: Codes) -> NDArray[np.float32]:
    with torch.inference_mode():
        found: NDArray[np.float32] = coder.network.contributions(
            states, torch.from_numpy(codes)
        ).numpy()
    return found


def verifying(
    coder: Coder,
    encounter: Encounter,
    codes: Codes,
    only: bool,
) -> Callable[[], Verified]:
    """Verifies the spans that the head's contributions give."""
    output, probabilities = coder.run(encounter), ProbabilityCalibrator()
    texts = [document.text for document in encounter.documents]
    words = map_words(texts, output.windows.document, output.windows.offsets)
    contributions = head_contributions(coder, output.states, codes)
    spans = [
        evidence_spans(words.words(contributions[:, column]), texts, POLICY)
        for column in range(len(codes))
    ]
    p = probabilities(output.logits[None])[0, codes]
    part = deletion(
        coder.network,
        probabilities,
        output.logits,
        cut=0.5,
        mask_id=coder.windower.mask_id,
        padding_id=coder.padding_id,
        call_tokens=4096,
    )
    return lambda: verify(output.windows, output.states, spans, codes.tolist(), p, part, only=only)


def in_turns(
    runs: Mapping[str, Callable[[], object]], repeats: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Median seconds of each, of CPU and of the wall; round 0 is a warm-up."""
    cpu: dict[str, list[float]] = {name: [] for name in runs}
    wall: dict[str, list[float]] = {name: [] for name in runs}
    for round_ in range(repeats + 1):
        for name, run in runs.items():
            began, began_wall = time.process_time(), time.perf_counter()
            run()
            if round_:
                cpu[name].append(time.process_time() - began)
                wall[name].append(time.perf_counter() - began_wall)
    return (
        {name: statistics.median(values) for name, values in cpu.items()},
        {name: statistics.median(values) for name, values in wall.items()},
    )


def captum_loop(view: AttributionView, codes: Codes) -> Tensor:
    """Signed scores ``[T, n]``, as one writes it with Captum."""

    def logits(rows: Tensor) -> Tensor:
        return torch.cat([view.network(view.batch, row) for row in rows])

    method, columns = InputXGradient(logits), []
    with without_denormals():
        for code in codes:
            row = view.embeddings[None].clone().requires_grad_()
            found = method.attribute(row, target=int(code))[0].sum(dim=-1)
            columns.append(found.flatten()[view.batch.content])
    return torch.stack(columns, dim=1).detach()


def agreement(view: AttributionView, codes: Codes) -> float:
    """Largest difference from Captum's, relative to the largest score."""
    ours = attribute(view, codes, method="input_x_gradient", mass_left_out=0.0).scores
    theirs = captum_loop(view, codes).numpy()
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def kept_windows(view: AttributionView, found: Attribution) -> float:
    """Mean number of windows that a code's gradient went back through."""
    kept = [(found.scores[part.tokens] != 0).any(axis=0) for part in view.windows]
    return float(np.sum(kept, axis=0).mean())


def attention_share(view: AttributionView, codes: Codes) -> float:
    """Mean share of a code's attention on the window that holds most of it."""
    attention = attribute(view, codes, method="attention").scores
    by_window = np.stack([attention[part.tokens].sum(axis=0) for part in view.windows])
    return float(by_window.max(axis=0).mean())


def print_table(figures: Mapping[str, Any]) -> None:
    print(f"coder: {figures['coder']}")
    print(
        f"{figures['windows']} windows, {figures['tokens']} tokens, {figures['codes']} codes; "
        f"one run takes {figures['run_cpu_s']:.3f} s of CPU time"
    )
    print(f"{'':14}{'CPU time':>10}{'wall':>10}{'goal':>10}")
    for name in (*TIMED, "captum_loop"):
        values = [figures[name], figures["wall"].get(name), GOALS.get(name)]
        cells = "".join(f"{'-' if value is None else f'{value:.2f}':>10}" for value in values)
        print(f"{name:14}{cells}")


if __name__ == "__main__":
    main()
