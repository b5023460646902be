"""Tables of what deletion and harmless changes do to shown evidence, and the track's score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import numpy as np
from evidence_changes import in_one_batch, other_whitespace, recoded, shown, with_windows
from evidence_coder import Coded, Explained, Run, Way
from evidence_deletion import MaskedWords, coders_part, curve, verified
from evidence_intervals import Figure, difference, interval, mean_figure
from evidence_methods import dictionary_track_score, track_score

from surecode.coder.dictionary import Dictionary
from surecode.encounter import Span
from surecode.evaluation.mention_score import MentionScore
from surecode.evaluation.selective import rate
from surecode.evaluation.stability import stability
from surecode.evidence.span_policy import SpanPolicy
from surecode.evidence.verdict import Status

CODES_DELETED = 2  # of an encounter, whose curves are drawn
STATUSES: tuple[Status, ...] = ("verified", "partial", "diffuse", "none")

Policies = Mapping[str, SpanPolicy]


def track(run: Run, of_head: Sequence[Explained], ways: Mapping[str, Sequence[Explained]]) -> None:
    """The track's own score, over all encounters and over those drawn."""
    dictionary = Dictionary.fit(run.of("train"))
    print("\nCodiEsp-X, all assigned codes\n")
    print("| method | encounters | precision | recall | F1 |\n|---|--:|--:|--:|--:|")
    everyone = [one.coded.encounter for one in of_head]
    lines: list[tuple[str, int, MentionScore]] = [
        ("head", len(of_head), track_score(run.coder, of_head)),
        ("dictionary", len(of_head), dictionary_track_score(dictionary, everyone)),
        *((name, len(found), track_score(run.coder, found)) for name, found in ways.items()),
    ]
    for name, count, score in lines:
        print(f"| {name} | {count} | {score.precision:.3f} | {score.recall:.3f} | {score.f1:.3f} |")


def verification(run: Run, ways: Mapping[str, Sequence[Explained]], seed: int) -> None:
    """Shares of verdicts, and what the spans themselves are worth."""
    print(f"\nVerification by deletion, {len(next(iter(ways.values())))} encounters\n")
    heads = " | ".join(STATUSES)
    print(f"| method | codes | {heads} | share of p lost without spans | lacking with them only |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    for name, found in ways.items():
        verdicts = [verified(run.coder, one) for one in found]
        counts = Counter(verdict.status for one in verdicts for verdict in one)
        total = sum(counts.values())
        shares = []
        for status in STATUSES:
            share = rate(counts[status], total)
            shares.append(f"{share.value:.3f} ({share.low:.3f} to {share.high:.3f})")
        lost = mean_figure(
            [
                [v.comprehensiveness for v in one if v.comprehensiveness is not None]
                for one in verdicts
            ]
        )
        lacking = mean_figure(
            [[v.sufficiency for v in one if v.sufficiency is not None] for one in verdicts]
        )
        draw = partial(interval, encounters=len(verdicts), seed=seed)
        print(
            f"| {name} | {total} | {' | '.join(shares)} | {draw(lost)} | {draw(lacking)} |",
            flush=True,
        )


def known(values: Iterable[float | None]) -> list[float]:
    """Those that could be measured."""
    return [value for value in values if value is not None]


def deletion_curves(
    run: Run, ways: Mapping[str, Sequence[Explained]], count: int, seed: int
) -> None:
    """Comprehensiveness and sufficiency of the best words, on a sample of codes."""
    comprehensiveness: dict[str, Figure] = {}
    sufficiency: dict[str, Figure] = {}
    codes = 0
    generator = np.random.default_rng(seed)
    chosen = [
        sorted(generator.permutation(len(one.positions))[:CODES_DELETED].tolist())
        for one in ways["head"][:count]
    ]
    for name, found in ways.items():
        curves = []
        for one, places in zip(found, chosen, strict=False):
            part = coders_part(run.coder, one.coded)
            curves.append(
                [
                    curve(
                        MaskedWords(one.coded, part, one.positions[place]),
                        [word.score for word in one.words[place]],
                    )
                    for place in places
                ]
            )
        codes = sum(map(len, curves))
        comprehensiveness[name] = mean_figure([[c.comprehensiveness for c in o] for o in curves])
        sufficiency[name] = mean_figure([[c.sufficiency for c in o] for o in curves])
    draw = partial(interval, encounters=len(chosen), seed=seed)
    print(f"\nFaithfulness, {len(chosen)} encounters, {codes} assigned codes\n")
    print("| method | comprehensiveness | less random | sufficiency |\n|---|--:|--:|--:|")
    for name, figure in comprehensiveness.items():
        less = draw(difference(figure, comprehensiveness["random"]))
        print(f"| {name} | {draw(figure)} | {less} | {draw(sufficiency[name])} |", flush=True)


def changes(
    run: Run, drawn: Sequence[Coded], ways: Sequence[Way], policies: Policies, seed: int
) -> None:
    """Jaccard of the spans before and after what should not matter."""
    coder, bundle = run.coder, run.folder / "bundle"
    drawn = [one for one in drawn if one.positions][: max(1, len(drawn) // 2)]
    print(f"\nStability, {len(drawn)} encounters, assigned codes\n")
    print("| method | change | codes | top span | all spans | unchanged |")
    print("|---|---|--:|--:|--:|--:|")
    others = {
        "windows shorter by 64 tokens": with_windows(coder, bundle, shorter=64),
        "32 tokens more shared by windows": with_windows(coder, bundle, overlap=32),
        "bf16": run.in_precision("bf16"),
    }
    for way in ways:
        policy = policies[way.name]
        before = [shown(coder, one, one.positions, way, policy) for one in drawn]
        after: dict[str, list[list[tuple[Span, ...]]]] = {}
        for name, other in others.items():
            after[name] = [
                shown(other, recoded(other, one.encounter), one.positions, way, policy)
                for one in drawn
            ]
        noisy = [other_whitespace(one.encounter, seed) for one in drawn]
        after["white space"] = [
            shown(coder, recoded(coder, encounter), one.positions, way, policy)
            for one, (encounter, _) in zip(drawn, noisy, strict=True)
        ]
        if way.method == "head":  # gradients are always those of one encounter
            after["all in one batch"] = [
                shown(coder, one, one.positions, way, policy) for one in in_one_batch(coder, drawn)
            ]
        origins = [o for one, (_, o) in zip(drawn, noisy, strict=True) for _ in one.positions]
        for name, found in after.items():
            result = stability(
                [spans for one in before for spans in one],
                [spans for one in found for spans in one],
                origins if name == "white space" else None,
            )
            print(
                f"| {way.name} | {name} | {result.pairs} | {result.top_span:.3f} "
                f"| {result.all_spans:.3f} | {result.unchanged:.3f} |",
                flush=True,
            )
