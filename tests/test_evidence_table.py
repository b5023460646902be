from __future__ import annotations

import math
import sys
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, f1_score

from surecode.config import compose_config, parse
from surecode.encounter import Document, Encounter
from surecode.errors import InputError
from surecode.evaluation.faithfulness import faithfulness
from surecode.launch.resolved import write_resolved
from surecode.settings import Config

SCRIPTS = str(Path(__file__).parents[1] / "scripts")
# The scripts import each other as Python finds them beside the one that is run.
sys.path.insert(0, SCRIPTS)
intervals: Any = import_module("evidence_intervals")
deleting: Any = import_module("evidence_deletion")
coders: Any = import_module("evidence_coder")
changes: Any = import_module("evidence_changes")
tables: Any = import_module("evidence_table")
sys.path.remove(SCRIPTS)

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(1, 6), st.booleans())
def test_weighted_average_precision_is_that_of_the_repeated_encounters(
    seed: int, encounters: int, ties: bool
) -> None:
    generator = np.random.default_rng(seed)
    owner = generator.integers(encounters, size=40)
    gold = generator.random(40) < 0.3
    scores = generator.integers(5, size=40) / 5 if ties else generator.random(40)
    weights = generator.integers(0, 4, size=encounters).astype(float)
    figure = intervals.average_precision_figure(owner, gold, scores)(weights)
    again = np.repeat(np.arange(40), weights[owner].astype(int))
    if not gold[again].any():
        assert math.isnan(figure)
    else:
        assert figure == pytest.approx(average_precision_score(gold[again], scores[again]))


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(1, 6))
def test_weighted_f1_is_that_of_the_repeated_encounters(seed: int, encounters: int) -> None:
    generator = np.random.default_rng(seed)
    owner = generator.integers(encounters, size=30)
    gold, shown = generator.random((2, 30)) < 0.4
    counts = [
        [(gold & shown)[owner == e].sum(), shown[owner == e].sum(), gold[owner == e].sum()]
        for e in range(encounters)
    ]
    weights = generator.integers(0, 4, size=encounters).astype(float)
    again = np.repeat(np.arange(30), weights[owner].astype(int))
    figure = intervals.f1_figure(counts)(weights)
    if (gold | shown)[again].any():
        assert figure == pytest.approx(f1_score(gold[again], shown[again]))
    else:
        assert math.isnan(figure)


def test_mean_is_over_codes_not_over_encounters() -> None:
    figure = intervals.mean_figure([[1.0, 1.0, 1.0], [0.0], []])
    assert figure(np.ones(3)) == 0.75
    assert figure(np.array([0.0, 1.0, 1.0])) == 0.0
    assert math.isnan(figure(np.array([0.0, 0.0, 2.0])))


def test_equal_ways_differ_by_nothing_under_every_draw() -> None:
    generator = np.random.default_rng(0)
    figure = intervals.mean_figure([list(generator.random(3)) for _ in range(20)])
    better = intervals.difference(lambda weights: figure(weights) + 0.1, figure)
    found = intervals.interval(better, 20)
    assert (found.low, found.high) == pytest.approx((0.1, 0.1))


def test_interval_has_the_width_of_the_normal_approximation() -> None:
    values = np.random.default_rng(1).normal(size=400)
    found = intervals.interval(intervals.mean_figure([[v] for v in values]), 400, draws=2000)
    half = 1.96 * values.std() / 20
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - half, abs=0.02)
    assert found.high == pytest.approx(values.mean() + half, abs=0.02)


def test_one_encounter_has_no_spread_and_none_is_an_error() -> None:
    found = intervals.interval(intervals.mean_figure([[0.25, 0.75]]), 1)
    assert (found.low, found.value, found.high) == (0.5, 0.5, 0.5)
    with pytest.raises(InputError, match="at least one"):
        intervals.interval(intervals.mean_figure([]), 0)


def additive(weights: NDArray[np.float64]) -> Any:
    """A code whose probability is the share of weight that is left."""
    return lambda masks: np.clip((~masks @ weights) / weights.sum(), 0, 1)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 150), SEEDS)
def test_curve_is_exact_where_all_words_say_alike(words: int, seed: int) -> None:
    scores = np.random.default_rng(seed).permutation(words).astype(float)
    exact = faithfulness(additive(np.ones(words)), scores)
    fast = deleting.curve(additive(np.ones(words)), scores)
    assert fast.comprehensiveness == pytest.approx(exact.comprehensiveness, abs=1e-12)
    assert fast.sufficiency == pytest.approx(exact.sufficiency, abs=1e-12)
    np.testing.assert_array_equal(fast.removed, exact.removed)
    np.testing.assert_array_equal(fast.kept, exact.kept)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 400), SEEDS, st.floats(0.05, 2.0))
def test_curve_is_near_the_full_one_where_few_words_say_most(
    words: int, seed: int, steep: float
) -> None:
    weights = np.exp(-steep * np.arange(words)) + 1e-9
    order = np.random.default_rng(seed).permutation(words)
    exact = faithfulness(additive(weights[order]), weights[order])
    fast = deleting.curve(additive(weights[order]), weights[order])
    assert fast.comprehensiveness == pytest.approx(exact.comprehensiveness, abs=0.03)
    assert fast.sufficiency == pytest.approx(exact.sufficiency, abs=0.03)


def test_curve_asks_few_masks() -> None:
    asked = []

    def probability(masks: NDArray[np.bool_]) -> NDArray[np.float64]:
        asked.append(len(masks))
        return np.full(len(masks), 0.5)

    found = deleting.curve(probability, np.arange(300.0))
    assert sum(asked) <= 2 * len(deleting.POINTS) + 3
    assert (found.comprehensiveness, found.sufficiency) == (0, 0)


def test_settings_of_an_older_run_take_what_they_lack_from_today() -> None:
    known = {"loss": {"kind": "a", "new": 0.0}, "seed": 0, "names": ["x"]}
    given = {"loss": {"kind": "b", "gone": 1}, "names": [], "gone": 2}
    assert coders.over(known, given) == {"loss": {"kind": "b", "new": 0.0}, "seed": 0, "names": []}


@pytest.mark.parametrize("kind", ["lexicon", "hybrid"])
def test_a_run_with_terms_is_refused_in_one_line(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = parse(Config, compose_config("run", ["specialty=pathology", f"coder={kind}"]))
    write_resolved(config, tmp_path / "resolved.yaml")
    monkeypatch.setattr(sys, "argv", ["evidence_table.py", str(tmp_path)])
    assert tables.main() == 2
    said = capsys.readouterr().err
    assert f"a run of coder={kind} stands on terms" in said
    assert said.count("\n") == 1


@settings(max_examples=30, deadline=None)
@given(st.text(alphabet="ab \n\t", min_size=1).filter(str.strip), SEEDS)
def test_other_whitespace_keeps_every_other_character_in_place(text: str, seed: int) -> None:
    document = Document("d", "note", text)
    day = date(2026, 1, 1)
    encounter = Encounter("e", "p", "radiology", "facility", "x", day, (document,))
    changed, origins = changes.other_whitespace(encounter, seed)
    new = changed.documents[0].text
    assert new.split() == text.split()
    kept = origins["d"]
    assert len(kept) == len(new)
    assert all(new[i] == text[o] for i, o in enumerate(kept) if o >= 0)
