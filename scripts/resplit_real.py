"""How often is the promise broken on real documents, and what share is automated?

    python scripts/resplit_real.py [--resplits 200] [--folds 5] [--seed 0]

Reads CodiEsp and CANTEMIST from the folder that ``SURECODE_DATA`` names and prints the tables of
``experiments/real_certificates/README.md``, which says what the columns mean.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from resplit_coder import Corpus, Fold, cross_fit, one_per_article
from resplit_designs import Seed, Verdict, possible, resplit, tune_of
from resplit_population import Cut, Population, population

from surecode.calibration.required import plan
from surecode.calibration.targets import Target
from surecode.data.sources import cantemist, codiesp
from surecode.data.splits import Sourced
from surecode.evaluation.selective import rate

DELTA = 0.1
LEVELS = (0.90, 0.95)
# No document counts with more wrong codes than this.
CAP = 5.0

CODERS = (
    "data",
    "documents (of)",
    "codes",
    "documents with every gold code among the candidates",
    "micro-F1",
    "precision / recall",
    "exact match",
    "exact match of the most confident tenth",
)
PROMISES = (
    "data",
    "promise",
    "cut for",
    "metric / recall of all",
    "capped",
    "possible",
    "certified: report half, known truth",
    "automated",
    "metric / recall of automated",
    "broken, known truth",
    "broken, report half",
)
EMPIRICAL = (
    "data",
    "promise",
    "cut for",
    "threshold found",
    "automated",
    "metric / recall of automated",
    "broken, known truth",
    "broken, report half",
)


def main() -> None:
    """Print the coder, its certificates, the empirical thresholds, and what tune plans."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--resplits", type=int, default=200)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    seeds = [(options.seed, number) for number in range(options.resplits)]
    coders, promises, empirical, plans = [], [], [], []
    for corpus in corpora(Path(os.environ.get("SURECODE_DATA", "../shared/data"))):
        folds = cross_fit(corpus, options.folds, options.seed)
        pool = one_per_article(corpus.articles, options.seed)
        found = list(populations(corpus, folds, pool))
        coders.append(coder_row(corpus, folds, pool, found))
        for cut, documents in found:
            target = documents.target
            resplits = [resplit(documents, seed) for seed in seeds]
            label = [corpus.name, f"{target.metric} ≥ {target.level:.2f}", cut]
            promises.append(
                [
                    *label,
                    *facts(documents),
                    *verdict_cells([r.halves for r in resplits], [r.resampled for r in resplits]),
                ]
            )
            empirical.append(
                [
                    *label,
                    *verdict_cells(
                        [r.empirical_halves for r in resplits],
                        [r.empirical_resampled for r in resplits],
                    ),
                ]
            )
            if target.metric == "exact":
                plans.append(f"- {corpus.name}, {plan_line(documents, seeds)}")
    tables = [table(CODERS, coders), table(PROMISES, promises), table(EMPIRICAL, empirical)]
    print(*tables, "\n".join(plans), sep="\n\n")


def corpora(root: Path) -> Iterator[Corpus]:
    """CodiEsp and CANTEMIST as published, sorted by id."""
    yield _corpus("CodiEsp v4, es", codiesp.read(root))
    yield _corpus("CANTEMIST", cantemist.read(root))


def populations(
    corpus: Corpus, folds: Sequence[Fold], pool: NDArray[np.intp]
) -> Iterator[tuple[Cut, Population]]:
    """The documents of ``pool`` under every promise."""
    names = [encounter.encounter_id for encounter in corpus.encounters]
    cuts: tuple[Cut, ...] = ("exact match", "micro-F1", "precision")
    for cut in cuts:
        for level in LEVELS:
            if cut == "exact match":
                target = Target("exact", level, DELTA)
            else:
                target = Target("precision", level, DELTA, average="codes", cap=CAP)
            yield cut, population(names, folds, target, cut).take(pool)


def coder_row(
    corpus: Corpus,
    folds: Sequence[Fold],
    pool: NDArray[np.intp],
    found: Sequence[tuple[Cut, Population]],
) -> list[str]:
    """The cross-fitted coder: cuts for micro-F1 and for exact matches, each on its own figures."""
    reachable = np.zeros(len(corpus.encounters), dtype=bool)
    for fold in folds:
        missed = (fold.held.gold & ~fold.held.facts.lexicon).sum(axis=1) + fold.held.outside
        reachable[fold.held.rows] = missed == 0
    by_cut = {cut: documents for cut, documents in reversed(found)}
    exact, balanced = by_cut["exact match"], by_cut["micro-F1"]
    right, assigned = balanced.right.sum(), balanced.losses.size.sum()
    gold = balanced.gold.sum()
    surest = np.argsort(-exact.confidence, kind="stable")[: round(len(exact) / 10)]
    codes = frozenset().union(*(corpus.encounters[i].code_set for i in pool))
    return [
        corpus.name,
        f"{len(pool)} ({len(corpus.encounters)})",
        str(len(codes)),
        f"{reachable[pool].mean():.3f}",
        f"{2 * right / (assigned + gold):.3f}",
        f"{right / assigned:.3f} / {right / gold:.3f}",
        f"{1 - exact.losses.error.mean():.3f}",
        f"{1 - exact.losses.error[surest].mean():.3f}",
    ]


def facts(documents: Population) -> list[str]:
    """What is true of all documents: metric, recall, capped ones, the largest share possible."""
    losses = documents.losses
    everyone = losses.size > 0.0
    metric = 1.0 - losses.error[everyone].sum() / losses.size[everyone].sum()
    return [
        f"{metric:.3f} / {documents.right.sum() / documents.gold.sum():.3f}",
        str(losses.clipped.sum()),
        f"{possible(documents):.3f}",
    ]


def verdict_cells(halves: Sequence[Verdict], known: Sequence[Verdict]) -> list[str]:
    """All resplits by both judges; automated share, metric and recall are the report half's."""
    count = f"{sum(v.certified for v in halves)}, {sum(v.certified for v in known)}"
    cells = [automated_share(halves), automated_metric(halves)]
    return [f"{count} of {len(halves)}", *cells, broken_share(known), broken_share(halves)]


def plan_line(documents: Population, seeds: Sequence[Seed]) -> str:
    """How many encounters tune says that a certificate would take."""
    target = documents.target
    needed = []
    for seed in seeds:
        tune = tune_of(documents, seed)
        confidence = np.where(tune.eligible, tune.confidence, np.nan)
        (found,) = plan(confidence, tune.losses.error == 0.0, target.level, target.delta)
        if found.encounters is not None:
            needed.append(found.encounters)
    said = f"{target.metric} ≥ {target.level:.2f}: {len(needed)} of {len(seeds)} tune splits "
    if not needed:
        return said + "have a threshold that any number of encounters would certify"
    return said + (
        f"have a threshold that some number of encounters would certify, {np.median(needed):,.0f} "
        "in the median"
    )


def automated_share(verdicts: Sequence[Verdict]) -> str:
    """Mean and standard deviation over resplits; 0 where there is no threshold."""
    shares = [verdict.automated for verdict in verdicts]
    return f"{np.mean(shares):.3f} ± {np.std(shares, ddof=1):.3f}"


def automated_metric(verdicts: Sequence[Verdict]) -> str:
    """Means over the resplits that automate anything."""
    some = [(v.metric, v.recall) for v in verdicts if v.metric is not None]
    if not some:
        return "–"
    metric, recall = np.mean(np.array(some, dtype=float), axis=0)
    return f"{metric:.3f} / {recall:.3f}"


def broken_share(verdicts: Sequence[Verdict]) -> str:
    """Share of resplits with a broken promise, and its exact 95% interval."""
    found = rate(sum(verdict.broken for verdict in verdicts), len(verdicts))
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _corpus(name: str, items: Iterator[Sourced]) -> Corpus:
    ordered = sorted(items, key=lambda item: item.encounter.encounter_id)
    # The publisher's held-out documents are not for this: they are read once, at the end.
    known = [item for item in ordered if item.official_split not in ("test", "test-set")]
    return Corpus(
        name, tuple(item.encounter for item in known), tuple(item.group for item in known)
    )


if __name__ == "__main__":
    main()
