"""The table of evidence on a run's held-out encounters: what is shown, and whether it holds.

    OMP_NUM_THREADS=1 python scripts/evidence_table.py RUN_FOLDER [--encounters N] [--tune M]

RUN_FOLDER holds a finished training (``bundle/``, ``encounters.parquet``, ``resolved.yaml``). The
calibrator is fitted on tune, the thresholds of spans of every method on the same M encounters of
tune; figures are those of calibrate and test together. N encounters are drawn for the methods by
gradients and for verification, half of them for stability and for curves of deletion, an eighth for
the slow methods. Intervals hold 95 %: encounters are resampled, shares of counts are exact
(Clopper and Pearson).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from evidence_checks import changes, deletion_curves, track, verification
from evidence_coder import REPORTED, Coded, Explained, Run, Way, code, explained, load_run
from evidence_methods import (
    SLOW,
    WAYS,
    Row,
    dictionary_pairs,
    rows,
    shared,
    shown_pairs,
)

from surecode.coder.dictionary import Dictionary
from surecode.denormals import without_denormals
from surecode.errors import InputError
from surecode.evidence.span_policy import SpanPolicy
from surecode.stages.explained import tuned_policy

HEAD, ATTINGRAD, RANDOM = WAYS[0], WAYS[3], WAYS[-1]
Policies = dict[str, SpanPolicy]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a finished training")
    parser.add_argument("--encounters", type=int, default=24, help="N")
    parser.add_argument("--tune", type=int, default=10, help="encounters of tune for spans")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    begin = time.perf_counter()
    try:
        with without_denormals():
            report(load_run(arguments.run), arguments.encounters, arguments.tune, arguments.seed)
    except InputError as error:
        print(f"evidence_table: {error}", file=sys.stderr)
        return 2
    print(f"\n{time.perf_counter() - begin:.0f} s on one thread")
    return 0


def report(run: Run, count: int, tune: int, seed: int) -> None:
    """Print all tables."""
    everything = run.of(*REPORTED)
    coded = [code(run.coder, encounter) for encounter in everything]
    order = np.random.default_rng(seed).permutation(len(coded))
    drawn = [coded[place] for place in order[:count]]
    policies = tuned(run, tune, seed)
    of_head = [explain(run, one, HEAD, policies, one.positions) for one in coded]
    headline(run, of_head, len(drawn))
    marked = any(item for encounter in everything for item in encounter.evidence)
    if marked:
        against_dictionary(run, of_head, seed)
    ways: dict[str, list[Explained]] = {
        "head": [of_head[place] for place in order[:count]],
        "attingrad": [explain(run, one, ATTINGRAD, policies, one.positions) for one in drawn],
        "random": [explain(run, one, RANDOM, policies, one.positions) for one in drawn],
    }
    if run.config.data.source == "codiesp":
        track(run, of_head, ways)
    verification(run, ways, seed)
    if marked:
        methods(run, "N encounters", drawn, WAYS, policies, ways, seed)
    changes(run, drawn, (HEAD, ATTINGRAD), policies, seed)
    deletion_curves(run, ways, max(1, count // 2), seed)
    if marked:
        few = drawn[: max(1, count // 8)]
        methods(run, "N/8 encounters", few, (HEAD, ATTINGRAD, *SLOW), policies, ways, seed)


def explain(
    run: Run, one: Coded, way: Way, policies: Policies, positions: Sequence[int]
) -> Explained:
    return explained(run.coder, one, positions, way, policies[way.name])


def tuned(run: Run, count: int, seed: int) -> Policies:
    """By row, the policy of spans with the best F1 over words on tune."""
    found: Policies = {}
    tune = run.of("tune")
    chosen_from = np.random.default_rng(seed).permutation(len(tune))[:count].tolist()
    assigned = run.tune_assigned[chosen_from]
    tune = [tune[place] for place in chosen_from]
    print("| spans tuned for | mass | seed | grow | gap | codes of tune | F1 before | F1 |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    for way in (*WAYS, *SLOW):
        if way.policy_of is not None:
            found[way.name] = found[way.policy_of]
            continue
        policy = replace(run.policy, method=way.method, mass_left_out=way.mass_left_out)
        policy, chosen = tuned_policy(run.coder, policy, tune, assigned)
        found[way.name] = spans = policy.spans
        scores = (
            f"{chosen.f1_before:.3f} | {chosen.f1:.3f}"
            if chosen.f1 is not None and chosen.f1_before is not None
            else "- | -"
        )
        print(
            f"| {way.name} | {spans.positive_mass} | {spans.seed} | {spans.grow} | "
            f"{spans.maximum_gap} | {chosen.codes} | {scores} |",
            flush=True,
        )
    taken = ", ".join(f"{w.name} {w.policy_of}'s" for w in (*WAYS, *SLOW) if w.policy_of)
    print(f"\nThe others take: {taken}.")
    return found


def headline(run: Run, of_head: Sequence[Explained], drawn: int) -> None:
    """What the figures below are of."""
    assigned = sum(len(one.positions) for one in of_head)
    gold = sum(len(one.coded.with_gold(run.coder)) for one in of_head)
    bare = sum(not spans for one in of_head for spans in one.spans)
    print(
        f"\n{run.config.data.source}, {run.coder.specialty}, calibrate + test: {len(of_head)} "
        f"encounters, {assigned} assigned codes, {gold} of them with gold evidence, "
        f"{bare} without a span (head); drawn: N = {drawn}",
        flush=True,
    )


def against_dictionary(run: Run, of_head: Sequence[Explained], seed: int) -> None:
    dictionary = Dictionary.fit(run.of("train"))
    encounters = [one.coded.encounter for one in of_head]
    print_rows(
        "all encounters; each on its own codes",
        rows({"head": [shown_pairs(run.coder, one) for one in of_head]}, seed)
        + rows({"dictionary": [dictionary_pairs(dictionary, e) for e in encounters]}, seed),
    )
    ours, theirs = shared(run.coder, of_head, dictionary)
    if any(ours):
        title = "all encounters; codes that both assign"
        print_rows(title, rows({"head": ours, "dictionary": theirs}, seed))


def methods(
    run: Run,
    title: str,
    drawn: Sequence[Coded],
    ways: Sequence[Way],
    policies: Policies,
    known: Mapping[str, Sequence[Explained]],
    seed: int,
) -> None:
    """One row for each way, over the assigned codes with gold evidence of the same encounters."""
    groups = {}
    for way in ways:
        found = known.get(way.name)
        if found is None:
            found = [explain(run, one, way, policies, one.with_gold(run.coder)) for one in drawn]
        groups[way.name] = [shown_pairs(run.coder, one) for one in found[: len(drawn)]]
    print_rows(f"{title}: {len(drawn)}", rows(groups, seed))


def print_rows(title: str, made: Sequence[Row]) -> None:
    print(f"\nPlausibility, {title}\n")
    print(
        "| method | codes | precision | recall | F1 | F1 less first | AUPRC | span recall "
        "| empty | exact | proximate | partial | none |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for row in made:
        found, classes = row.figures, row.figures.classes
        print(
            f"| {row.name} | {found.pairs} | {found.words.precision:.3f} "
            f"| {found.words.recall:.3f} | {row.f1} | {row.against_first or ''} "
            f"| {row.auprc or ''} | {found.span_recall:.3f} | {found.empty_rate:.3f} "
            f"| {classes.exact} | {classes.proximate} | {classes.partial} | {classes.none} |",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())
