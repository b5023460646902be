"""Folds of encounters that neither part a cluster nor depend on the order of the encounters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from surecode.calibration.betting import hashed_order
from surecode.errors import InputError


def folds_of(clusters: Sequence[str], folds: int, seed: int) -> NDArray[np.int64]:
    """The fold `[N]`, from 0, of each encounter; ``clusters`` `[N]` names its cluster.

    Encounters of one cluster, those of one patient, share a fold. Clusters are dealt out in the
    order of a hash of their name keyed by the seed, so folds hold equally many clusters and
    another order of the encounters changes nothing. Raises `InputError` below two folds.
    """
    if folds < 2:
        raise InputError(f"folds: {folds} cannot hold anything out; ask for at least two")
    names = sorted(set(clusters))
    place = {names[at]: i for i, at in enumerate(hashed_order(names, f"fold/{seed}"))}
    return np.array([place[name] % folds for name in clusters], dtype=np.int64)
