from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from surecode.errors import InputError
from surecode.evidence import verification
from surecode.evidence.masked_windows import MaskedWindows, tokens_of
from surecode.evidence.mentions import Place
from surecode.evidence.spans import ScoredSpan
from surecode.evidence.verdict import Verification, judge
from surecode.evidence.verification import Deletion, Verified, verify

MASK, FIRST, LAST = 99, 1, 2
CODES = 6
WIDTH = 5


@dataclass(frozen=True)
class Windows:
    """Windows over documents whose tokens are single characters."""

    input_ids: tuple[NDArray[np.int64], ...]
    content: tuple[slice, ...]
    document: NDArray[np.int64]
    offsets: NDArray[np.int64]


def windows_of(texts: Sequence[Sequence[int]], room: int, overlap: int) -> Windows:
    """Tokens of the texts in windows of at most ``room``, each between FIRST and LAST."""
    ids, content, document, offsets = [], [], [], []
    for position, text in enumerate(texts):
        for start in range(0, max(len(text) - overlap, 1), room - overlap):
            piece = list(text[start : start + room])
            ids.append(np.array([FIRST, *piece, LAST], dtype=np.int64))
            content.append(slice(1, 1 + len(piece)))
            document += [position] * len(piece)
            offsets += [(start + n, start + n + 1) for n in range(len(piece))]
    return Windows(tuple(ids), tuple(content), np.array(document), np.array(offsets))


@dataclass
class Network:
    """A toy coder in which every token of a window changes the states of all others."""

    seed: int = 0
    calls: list[list[NDArray[np.int64]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        generator = torch.Generator().manual_seed(self.seed)
        kind = torch.float64
        self.table = torch.randn(100, WIDTH, generator=generator, dtype=kind)
        self.query = torch.randn(CODES, WIDTH, generator=generator, dtype=kind)
        self.value = torch.randn(CODES, WIDTH, generator=generator, dtype=kind)

    def state(self, ids: NDArray[np.int64]) -> Tensor:
        embedded = self.table[torch.from_numpy(ids)]
        place = torch.arange(len(ids), dtype=torch.float64)[:, None] / 10
        return torch.tanh(embedded + embedded.mean(dim=0) + place)

    def encode(self, windows: Sequence[NDArray[np.int64]]) -> list[Tensor]:
        self.calls.append(list(windows))
        return [self.state(ids) for ids in windows]

    def probability(self, states: Tensor, code: int, only: bool = False) -> float:
        attention = torch.softmax(states @ self.query[code] * 3, dim=0)
        return float(torch.sigmoid(2 * attention @ (states @ self.value[code])))

    def whole(self, windows: Windows, masked: NDArray[np.bool_]) -> Tensor:
        """States ``[T, D]`` with all windows encoded, whatever is masked: the oracle."""
        states, begin = [], 0
        for ids, place in zip(windows.input_ids, windows.content, strict=True):
            size = place.stop - place.start
            changed = ids.copy()
            for n in range(size):
                if masked[begin + n]:
                    changed[place.start + n] = MASK
            states.append(self.state(changed)[place])
            begin += size
        return torch.cat(states)

    def deletion(self, cut: float = 0.5) -> Deletion:
        return Deletion(self.encode, self.probability, MASK, cut)


def span(document: int, start: int, end: int, *mentions: Place) -> ScoredSpan:
    return ScoredSpan(document, start, end, 0.5, mentions)


def run(
    network: Network,
    windows: Windows,
    evidence: Sequence[Sequence[ScoredSpan]],
    codes: Sequence[int],
    cut: float = 0.5,
    **more: Any,
) -> Verified:
    states = network.whole(windows, np.zeros(len(windows.document), dtype=bool))
    p = [network.probability(states, code) for code in codes]
    network.calls.clear()
    return verify(windows, states, evidence, codes, p, network.deletion(cut), **more)


# Few distinct tokens and the mask among them, so that equal windows and empty deletions occur.
TOKENS = st.lists(st.sampled_from([5, 6, 7, MASK]), min_size=1, max_size=14)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Windows, list[list[ScoredSpan]], list[int]]:
    texts = draw(st.lists(TOKENS, min_size=1, max_size=3))
    windows = windows_of(texts, 5, draw(st.integers(0, 2)))
    codes = draw(st.lists(st.integers(0, CODES - 1), unique=True, max_size=CODES))

    def place() -> Place:
        document = draw(st.integers(0, len(texts) - 1))
        start = draw(st.integers(0, len(texts[document]) - 1))
        return document, start, draw(st.integers(start + 1, len(texts[document])))

    def spans() -> list[ScoredSpan]:
        return [
            span(*place(), *[place() for _ in range(draw(st.integers(0, 2)))])
            for _ in range(draw(st.integers(0, 3)))
        ]

    return windows, [spans() for _ in codes], codes


# ---- the numbers ---------------------------------------------------------------------------------


@settings(max_examples=150)
@given(case=cases(), cut=st.floats(0.05, 0.95))
def test_it_equals_encoding_everything_again(
    case: tuple[Windows, list[list[ScoredSpan]], list[int]], cut: float
) -> None:
    windows, evidence, codes = case
    network = Network()
    found = run(network, windows, evidence, codes, cut)
    before = network.whole(windows, np.zeros(len(windows.document), dtype=bool))
    assert len(found.codes) == len(codes)
    for spans, code, verdict in zip(evidence, codes, found.codes, strict=True):
        assert verdict.p == pytest.approx(network.probability(before, code), abs=1e-6)
        if not spans:
            assert (verdict.p_without, verdict.p_only, verdict.flips) == (None, None, False)
            assert verdict.status == "none"
            continue
        inside = np.array(
            [
                any(
                    d == where[0] and where[1] <= start < where[2]
                    for s in spans
                    for where in s.places
                )
                for d, (start, _) in zip(windows.document, windows.offsets, strict=True)
            ]
        )
        without = network.probability(network.whole(windows, inside), code)
        alone = network.probability(network.whole(windows, ~inside), code)
        assert verdict.p_without == pytest.approx(without, abs=1e-6)
        assert verdict.p_only == pytest.approx(alone, abs=1e-6)
        assert verdict.flips == (round(without, 6) < cut)


@settings(max_examples=100)
@given(case=cases(), data=st.data())
def test_a_code_is_verified_the_same_alone_in_any_order_and_in_any_rounds(
    case: tuple[Windows, list[list[ScoredSpan]], list[int]], data: st.DataObject
) -> None:
    windows, evidence, codes = case
    together = run(Network(), windows, evidence, codes)
    order = data.draw(st.permutations(range(len(codes))))
    again = run(Network(), windows, [evidence[i] for i in order], [codes[i] for i in order])
    assert again.codes == tuple(together.codes[i] for i in order)
    assert (again.windows, again.rounds) == (together.windows, together.rounds)
    for i in range(len(codes)):
        assert run(Network(), windows, [evidence[i]], [codes[i]]).codes == (together.codes[i],)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verification, "ROUND_TOKENS", data.draw(st.integers(1, 40)))
        small = run(Network(), windows, evidence, codes)
    assert small.codes == together.codes
    assert small.rounds >= together.rounds
    half = run(Network(), windows, evidence, codes, only=False)
    assert half.codes == tuple(replace(verdict, p_only=None) for verdict in together.codes)


def test_the_same_encounter_gives_the_same_calls_whatever_the_order_of_its_codes() -> None:
    windows = windows_of([range(10, 40)], 6, 0)
    evidence = [[span(0, n, n + 2)] for n in (0, 9, 20)]
    one, other = Network(), Network()
    run(one, windows, evidence, [4, 0, 2])
    run(other, windows, evidence[::-1], [2, 0, 4])
    assert [[w.tolist() for w in call] for call in one.calls] == [
        [w.tolist() for w in call] for call in other.calls
    ]


# ---- the cost ------------------------------------------------------------------------------------


@settings(max_examples=100)
@given(case=cases())
def test_no_window_is_encoded_twice_and_none_that_is_as_it_was(
    case: tuple[Windows, list[list[ScoredSpan]], list[int]],
) -> None:
    windows, evidence, codes = case
    network = Network()
    found = run(network, windows, evidence, codes)
    encoded = [window.tobytes() for call in network.calls for window in call]
    assert len(encoded) == len(set(encoded)) == found.windows
    assert found.tokens == sum(len(window) for call in network.calls for window in call)
    assert len(network.calls) == found.rounds <= 1
    for call in network.calls:
        for window in call:
            assert (window[0], window[-1]) == (FIRST, LAST)
            assert MASK in window


def test_what_a_deletion_does_not_touch_is_not_encoded() -> None:
    network = Network()
    windows = windows_of([range(10, 50)], 5, 0)  # eight windows of five tokens
    found = run(network, windows, [[span(0, 11, 13)], [span(0, 14, 16)]], [0, 1], only=False)
    # The first span lies in the third window, the second in the third and the fourth.
    assert sorted(w[1:-1].tolist() for w in network.calls[0]) == [
        [20, 21, 22, 23, MASK],
        [20, MASK, MASK, 23, 24],
        [MASK, 26, 27, 28, 29],
    ]
    assert (found.windows, found.tokens, found.rounds) == (3, 21, 1)
    network.calls.clear()
    found = run(network, windows, [[span(0, 11, 13)], [span(0, 14, 16)]], [0, 1])
    # With nothing but the spans: three windows more, and one for all that hold no span.
    assert (found.windows, found.rounds) == (7, 1)
    bare = [w for w in network.calls[0] if set(w[1:-1].tolist()) == {MASK}]
    assert len(bare) == 1


def test_windows_without_a_span_are_encoded_once_per_length_over_all_rounds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(verification, "ROUND_TOKENS", 1)
    network = Network()
    windows = windows_of([range(10, 27)], 5, 0)  # three windows of five tokens, one of two
    evidence = [[span(0, n, n + 1)] for n in range(CODES)]
    found = run(network, windows, evidence, range(CODES))
    bare = [w for call in network.calls for w in call if set(w[1:-1].tolist()) == {MASK}]
    assert sorted(len(w) for w in bare) == [4, 7]
    assert found.rounds == 2 * CODES
    assert found.windows == 2 * CODES + 2


# ---- what it says --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("p", "without", "cut", "status", "flips"),
    [
        (0.9, 0.1, 0.5, "verified", True),
        (0.9, 0.5, 0.5, "partial", False),  # the cut itself still assigns
        (0.9, 0.4999994, 0.5, "verified", True),
        (0.9, 0.4999996, 0.5, "partial", False),  # 0.5 as the record has it
        (0.9, 0.45, 0.1, "verified", False),  # falls by half
        (0.9, 0.46, 0.1, "partial", False),
        (0.9, 0.81, 0.1, "partial", False),  # falls by a tenth
        (0.9, 0.82, 0.1, "diffuse", False),
        (0.9, 0.95, 0.1, "diffuse", False),
        (0.9, 0.9, 0.1, "diffuse", False),
        (0.0, 0.0, 0.0, "diffuse", False),
        (1.0, 0.0, 0.0, "verified", False),
    ],
)
def test_status(p: float, without: float, cut: float, status: str, flips: bool) -> None:
    verdict = judge(p, without, None, cut)
    assert (verdict.status, verdict.flips) == (status, flips)


def test_how_far_a_probability_falls() -> None:
    verdict = judge(0.8, 0.2, 0.6, 0.5)
    assert verdict.comprehensiveness == pytest.approx(0.75)
    assert verdict.sufficiency == pytest.approx(0.25)
    assert judge(0.8, 0.9, 0.9, 0.5).comprehensiveness == pytest.approx(-0.125)
    assert judge(0.8, 0.9, 0.9, 0.5).sufficiency == 0.0
    none = judge(0.8, None, None, 0.5)
    assert none.comprehensiveness is none.sufficiency is None


@given(
    p=st.floats(0, 1),
    without=st.none() | st.floats(0, 1),
    alone=st.none() | st.floats(0, 1),
    cut=st.floats(0, 1),
)
def test_a_verdict_reads_back_exactly_and_follows_from_its_own_numbers(
    p: float, without: float | None, alone: float | None, cut: float
) -> None:
    verdict = judge(p, without, alone, cut)
    assert Verification.from_dict(json.loads(json.dumps(verdict.to_dict()))) == verdict
    assert judge(verdict.p, verdict.p_without, verdict.p_only, cut) == verdict


@pytest.mark.parametrize("without", [math.nan, math.inf, -0.1, 1.1])
def test_what_is_no_probability_is_refused(without: float) -> None:
    with pytest.raises(InputError, match="is not in"):
        judge(0.5, without, None, 0.5)


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values.pop("p_only"),
        lambda values: values.update(extra=1),
        lambda values: values.update(status="certain"),
    ],
)
def test_a_verdict_of_another_make_is_refused(change: Callable[[dict[str, Any]], None]) -> None:
    values = judge(0.5, 0.4, None, 0.5).to_dict()
    change(values)
    with pytest.raises(InputError):
        Verification.from_dict(values)


# ---- borders -------------------------------------------------------------------------------------


def test_no_code() -> None:
    network = Network()
    found = run(network, windows_of([[5, 6]], 5, 0), [], [])
    assert found == Verified((), 0, 0, 0)
    assert network.calls == []


def test_a_deletion_that_changes_nothing_is_diffuse() -> None:
    network = Network()
    windows = windows_of([[5, MASK, 6]], 5, 0)
    found = run(network, windows, [[span(0, 1, 2)]], [0], cut=0.0, only=False)
    assert found.codes[0].p_without == found.codes[0].p
    assert found.codes[0].status == "diffuse"
    assert found.windows == 0


def test_spans_over_everything_leave_all_as_it_was() -> None:
    network = Network()
    found = run(network, windows_of([[5, 6, 7]], 5, 0), [[span(0, 0, 3)]], [0])
    assert found.codes[0].p_only == found.codes[0].p
    assert found.windows == 1


def test_every_mention_counts() -> None:
    network = Network()
    windows = windows_of([[5, 6, 7], [5, 6]], 5, 0)
    one = run(network, windows, [[span(0, 0, 1, (0, 0, 1), (1, 0, 1))]], [0])
    two = run(network, windows, [[span(0, 0, 1), span(1, 0, 1)]], [0])
    assert one == two
    assert one != run(network, windows, [[span(0, 0, 1)]], [0])


def test_wrong_input_is_refused() -> None:
    network = Network()
    windows = windows_of([[5, 6]], 5, 0)
    states = network.whole(windows, np.zeros(2, dtype=bool))
    cases: list[tuple[Tensor, list[list[ScoredSpan]], list[int], list[float]]] = [
        (states, [[]], [0, 1], [0.5, 0.5]),
        (states, [[], []], [0, 1], [0.5]),
        (states, [[], []], [1, 1], [0.5, 0.5]),
        (states[:1], [[]], [0], [0.5]),
        (states, [[]], [0], [math.nan]),
    ]
    for given_states, evidence, codes, p in cases:
        with pytest.raises(InputError) as error:
            verify(windows, given_states, evidence, codes, p, network.deletion())
        assert "\n" not in str(error.value)


def test_a_network_that_overflows_is_refused() -> None:
    network = Network()
    windows = windows_of([[5, 6]], 5, 0)
    states = network.whole(windows, np.zeros(2, dtype=bool))
    broken = Deletion(network.encode, lambda states, code, only: math.nan, MASK, 0.5)
    with pytest.raises(InputError, match="overflowed"):
        verify(windows, states, [[span(0, 0, 1)]], [0], [0.5], broken)


# ---- masking -------------------------------------------------------------------------------------


@given(case=cases(), data=st.data())
def test_masking_changes_the_masked_tokens_and_no_others(
    case: tuple[Windows, list[list[ScoredSpan]], list[int]], data: st.DataObject
) -> None:
    windows, _, _ = case
    size = len(windows.document)
    masked = np.array(data.draw(st.lists(st.booleans(), min_size=size, max_size=size)), dtype=bool)
    mask = MaskedWindows(windows, MASK)
    assert [piece.start for piece in mask.pieces] == [0, *[p.stop for p in mask.pieces[:-1]]]
    assert all(left.stop == right.start for left, right in pairwise(mask.pieces))
    originals = [window.copy() for window in windows.input_ids]
    for ids, changed, place, piece in zip(
        windows.input_ids, mask(masked), windows.content, mask.pieces, strict=True
    ):
        expected = ids.copy()
        expected[place] = np.where(masked[piece], MASK, ids[place])
        assert (changed is None) == np.array_equal(expected, ids)
        assert changed is None or changed.tolist() == expected.tolist()
    assert all(map(np.array_equal, originals, windows.input_ids))  # nothing is masked in place


def test_tokens_of_a_place_share_a_character_with_it() -> None:
    offsets = np.array([[0, 2], [2, 5], [5, 8], [0, 3], [5, 8]])
    windows = Windows((), (), np.array([0, 0, 0, 1, 0]), offsets)
    assert tokens_of([(0, 4, 6)], windows).tolist() == [False, True, True, False, True]
    assert tokens_of([(1, 2, 9), (0, 0, 1)], windows).tolist() == [True, False, False, True, False]
    assert tokens_of([], windows).tolist() == [False] * 5
