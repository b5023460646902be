import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surecode.coder.seen_tokens import SeenTokens
from surecode.errors import InputError

ids = st.lists(st.integers(0, 40), max_size=30)


@given(st.lists(ids, max_size=4), ids, st.integers(41, 60))
def test_the_share_is_counted_against_a_set(train, note, size):
    seen = SeenTokens.collect([np.array(row, dtype=np.int64) for row in train], size)
    known = {i for row in train for i in row}
    assert len(seen) == len(known)
    expected = sum(i not in known for i in note) / len(note) if note else 0.0
    assert seen.unseen_share(np.array(note, dtype=np.int64)) == expected
    read = SeenTokens.from_dict(json.loads(json.dumps(seen.to_dict())))
    assert read == seen
    assert read.unseen_share(np.array(note, dtype=np.int64)) == expected


def test_no_tokens_all_seen_none_seen():
    seen = SeenTokens.collect([[1, 2]], 4)
    assert seen.unseen_share([]) == 0.0
    assert seen.unseen_share([2, 1, 1]) == 0.0
    assert seen.unseen_share([0, 3]) == 1.0
    assert seen.unseen_share([1, 99]) == 0.5  # beyond the vocabulary is unseen
    assert SeenTokens.collect([], 0).unseen_share([0]) == 1.0


@pytest.mark.parametrize(
    "call",
    [
        lambda: SeenTokens.collect([[4]], 4),
        lambda: SeenTokens.collect([[-1]], 4),
        lambda: SeenTokens.collect([[0.5]], 4),
        lambda: SeenTokens.collect([[1]], 4).unseen_share([-1]),
        lambda: SeenTokens.collect([[1]], 4).unseen_share([[1]]),
        lambda: SeenTokens(4, b""),
        lambda: SeenTokens(4, b"\x01"),  # a bit beyond the vocabulary
        lambda: SeenTokens.from_dict({"size": 4}),
        lambda: SeenTokens.from_dict({"size": True, "bits": "00"}),
        lambda: SeenTokens.from_dict({"size": 4, "bits": "0"}),
        lambda: SeenTokens.from_dict({"size": 4, "bits": "0G"}),
        lambda: SeenTokens.from_dict({"size": 4, "bits": "0000"}),
        lambda: SeenTokens.from_dict({"size": 4, "bits": "00", "kind": 1}),
        lambda: SeenTokens.from_dict([]),
    ],
)
def test_refuses_what_is_no_set_of_ids(call):
    with pytest.raises(InputError, match="seen tokens") as caught:
        call()
    assert "\n" not in str(caught.value)
