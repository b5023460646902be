"""Which code people give to a mention, by its words."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import Ridge

from surecode.encounter import Code, Encounter, Evidence, GoldCode, Span
from surecode.errors import InputError
from surecode.hybrid import mention_codes, mention_words
from surecode.hybrid.mention_codes import MentionCodes
from surecode.lexicon.term import Term

Build = Callable[..., Encounter]
_STEMS = {
    "adenocarcinoma": "8140",
    "sarcoma pleomórfico": "8802",
    "melanoma maligno": "8720",
    "seminoma": "9061",
    "timoma": "8580",
}
_FORMS = {"{}": "3", "metástasis de {}": "6", "{} in situ": "2", "{} grado 3": "33"}


def marked(build: Build, mentions: Sequence[tuple[str, Code]], name: str = "e0") -> Encounter:
    """An encounter of one note in which each wording is marked for its code."""
    text, evidence = "", []
    for number, (words, code) in enumerate(mentions):
        start = len(text)
        text += f"{words}. "
        evidence.append(Evidence(code, Span("d0", start, start + len(words)), number))
    codes = dict.fromkeys(code for _, code in mentions)
    return replace(
        build(text, encounter_id=name),
        codes=tuple(GoldCode(code, n) for n, code in enumerate(codes, start=1)),
        evidence=tuple(evidence),
    )


@pytest.fixture(scope="module")
def mentions() -> list[tuple[str, Code]]:
    """Each stem in each form but one: nobody wrote of an adenocarcinoma's metastasis."""
    return [
        (form.format(stem), Code("ICD-O-3", f"{value}/{parts}"))
        for stem, value in _STEMS.items()
        for form, parts in _FORMS.items()
        if (stem, parts) != ("adenocarcinoma", "6")
    ]


@pytest.fixture(scope="module")
def learned(encounter_of: Build, mentions: list[tuple[str, Code]]) -> MentionCodes:
    found = MentionCodes.learn([marked(encounter_of, mentions)])
    assert found is not None
    return found


def test_a_known_wording_has_its_code_however_it_is_written(
    learned: MentionCodes, mentions: list[tuple[str, Code]]
) -> None:
    for words, code in mentions:
        for written in (words, words.upper(), words.replace(" ", "\n")):
            assert learned.knows(written)
            assert learned([written]) == [{code: pytest.approx(1 / 1.05)}]
    assert not learned.knows("metástasis de adenocarcinoma")


def test_codes_of_one_wording_share_it_by_how_often_they_were_given(encounter_of: Build) -> None:
    a, b, c = (Code("ICD-O-3", value) for value in ("8140/3", "8140/6", "8140/2"))
    found = MentionCodes.learn(
        [marked(encounter_of, [("tumor", a)] * 40 + [("tumor", b)] * 10 + [("tumor", c)])]
    )
    assert found is not None
    assert found(["Tumor"]) == [{a: pytest.approx(40 / 51.05), b: pytest.approx(10 / 51.05)}]


def test_a_code_that_nobody_gave_is_put_together(
    learned: MentionCodes, mentions: list[tuple[str, Code]]
) -> None:
    unseen = Code("ICD-O-3", "8140/6")
    assert unseen not in {code for _, code in mentions}
    (said,) = learned(["metástasis de adenocarcinoma"])
    assert max(said, key=lambda code: said[code]) == unseen
    (said,) = learned(["metástasis hepáticas de un seminoma"])
    assert max(said, key=lambda code: said[code]) == Code("ICD-O-3", "9061/6")


def test_codes_without_axes_are_their_own_stems(encounter_of: Build) -> None:
    fever, cough = (Code("ICD-10-CM", value) for value in ("R50.9", "R05.9"))
    tumour = Code("ICD-O-3", "8140/3")
    some = [("high fever", fever), ("fever at night", fever), ("dry cough", cough)]
    found = MentionCodes.learn(
        [marked(encounter_of, [*some, ("wet cough", cough), ("adenocarcinoma", tumour)])]
    )
    assert found is not None
    (said,) = found(["fever"])
    assert max(said, key=lambda code: said[code]) == fever
    # A site of ICD-O-3 has no behaviour: it is known where it was marked, and never put together.
    skin = Code("ICD-O-3", "C44.9")
    found = MentionCodes.learn([marked(encounter_of, [*some, ("piel", skin)])])
    assert found is not None
    assert set(found(["piel"])[0]) == {skin}
    assert all("C44" not in value for axis in found.axes for value in axis.values)
    assert MentionCodes.learn([marked(encounter_of, [("piel", skin)])]) is None


@pytest.fixture(scope="module")
def listed() -> list[Term]:
    """A tumour that nobody marked, in a list; ICD-10-CM has no axes."""
    tumours = ("condrosarcoma", "condrosarcoma mixoide", "tumor condroide")
    terms = [(words, Code("ICD-O-3", "9220/3")) for words in tumours]
    terms += [("timoma", Code("ICD-O-3", "9999/9")), ("fiebre", Code("ICD-10-CM", "R50.9"))]
    return [
        Term(words, code, "shipped", f"r{n}", 0.5, "es", 0) for n, (words, code) in enumerate(terms)
    ]


def test_lists_tell_stems_and_mentions_tell_the_rest(
    encounter_of: Build, mentions: list[tuple[str, Code]], listed: list[Term]
) -> None:
    given = [marked(encounter_of, mentions)]
    alone, beside = MentionCodes.learn(given), MentionCodes.learn(given, listed)
    assert alone is not None
    assert beside is not None
    wording = "metástasis de condrosarcoma gigante"
    assert all("9220" not in code.value for code in alone([wording])[0])
    (said,) = beside([wording])
    assert max(said, key=lambda code: said[code]) == Code("ICD-O-3", "9220/6")
    assert not beside.knows("condrosarcoma")
    # What was marked is not told otherwise by a list, and a stem of another system is left aside.
    assert beside(["timoma"]) == [{Code("ICD-O-3", "8580/3"): pytest.approx(1 / 1.05)}]
    assert beside.axes[1:] == alone.axes[1:]
    assert {value[:12] for value in beside.axes[0].values} - {
        value[:12] for value in alone.axes[0].values
    } == {"ICD-O-3:9220"}


def test_a_listed_wording_weighs_less(
    encounter_of: Build,
    mentions: list[tuple[str, Code]],
    listed: list[Term],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An oracle: scikit-learn, with weights of rows."""
    monkeypatch.setattr(mention_codes, "_LEAST_WEIGHT", 0.0)
    monkeypatch.setattr(mention_codes, "_DIGITS", 12)
    learned = MentionCodes.learn([marked(encounter_of, mentions)], listed)
    assert learned is not None
    wordings, y = targets(learned, mentions)
    more = sorted(mention_words.wording_of(term.text) for term in listed[:3])
    unseen = [float(value == "ICD-O-3:9220") for value in learned.axes[0].values]
    x = mention_words.unit_rows(mention_words.named([*wordings, *more]) @ learned._rarity).toarray()
    mean = y.mean(axis=0)
    oracle = Ridge(alpha=0.1, fit_intercept=False)
    oracle.fit(
        x,
        np.concatenate([y, [unseen] * 3]) - mean,
        sample_weight=[1.0] * len(y) + [0.3] * 3,
    )
    said = learned._values([*wordings, *more])[:, : y.shape[1]]
    np.testing.assert_allclose(said, oracle.predict(x) + mean, atol=1e-9)


def design(
    learned: MentionCodes, wordings: Sequence[tuple[str, ...]]
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Names that two wordings of training share ``[n, C]``, by scikit-learn's weighing."""
    names = mention_words.named(wordings)[:, list(learned.columns)]
    found: np.ndarray[Any, np.dtype[np.float64]] = TfidfTransformer().fit_transform(names).toarray()
    return found


def targets(
    learned: MentionCodes, mentions: list[tuple[str, Code]]
) -> tuple[list[tuple[str, ...]], np.ndarray[Any, np.dtype[np.float64]]]:
    """The wordings, which stand by how often they were marked and their words, and their stems."""
    ordered = sorted((mention_words.wording_of(words), code) for words, code in mentions)
    stems = [f"ICD-O-3:{code.value.split('/')[0]}" for _, code in ordered]
    y = np.array([[float(one == stem) for stem in learned.axes[0].values] for one in stems])
    return [words for words, _ in ordered], y


def test_values_are_those_of_ridge_regression(
    encounter_of: Build, mentions: list[tuple[str, Code]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An oracle: scikit-learn, with all weights kept as they are."""
    monkeypatch.setattr(mention_codes, "_LEAST_WEIGHT", 0.0)
    monkeypatch.setattr(mention_codes, "_DIGITS", 12)
    learned = MentionCodes.learn([marked(encounter_of, mentions)])
    assert learned is not None
    wordings, y = targets(learned, mentions)
    x, mean = design(learned, wordings), y.mean(axis=0)
    oracle = Ridge(alpha=0.1, fit_intercept=False).fit(x, y - mean)
    said = learned._values(wordings)[:, : y.shape[1]]
    np.testing.assert_allclose(said, oracle.predict(x) + mean, atol=1e-9)
    assert learned._values([("xyxy",)]).tolist() == [list(learned.mean)]  # no name is known


def test_sharpness_is_chosen_by_values_of_what_was_left_out(
    encounter_of: Build, mentions: list[tuple[str, Code]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An oracle: the regression is learned anew without each wording in turn."""
    seen: list[np.ndarray[Any, Any]] = []
    real = mention_codes._sharpness

    def kept(values: np.ndarray[Any, Any], right: np.ndarray[Any, Any]) -> float:
        seen.append(values)
        return real(values, right)

    monkeypatch.setattr(mention_codes, "_sharpness", kept)
    learned = MentionCodes.learn([marked(encounter_of, mentions)])
    assert learned is not None
    wordings, y = targets(learned, mentions)
    x, mean = design(learned, wordings), y.mean(axis=0)
    for n in range(len(y)):
        others = np.arange(len(y)) != n
        oracle = Ridge(alpha=0.1, fit_intercept=False).fit(x[others], (y - mean)[others])
        wanted = oracle.predict(x[n : n + 1])[0] + mean
        np.testing.assert_allclose(seen[0][n], wanted, atol=1e-9)


@given(st.data())
def test_each_mention_is_read_for_itself(learned: MentionCodes, data: st.DataObject) -> None:
    words = st.sampled_from(["metástasis", "de", "seminoma", "grado", "3", "in", "situ", "x", "."])
    texts = data.draw(st.lists(st.lists(words, max_size=5).map(" ".join), max_size=5))
    together = learned(texts)
    assert [learned([text])[0] for text in texts] == together
    for said in together:
        assert sum(said.values()) <= 1.0 + 1e-9
        assert all(0.05 <= chance <= 1.0 for chance in said.values())


def test_the_order_of_encounters_does_not_matter(
    encounter_of: Build, mentions: list[tuple[str, Code]]
) -> None:
    some = [marked(encounter_of, mentions[n : n + 4], f"e{n}") for n in range(0, len(mentions), 4)]
    shuffled = random.Random(1).sample(some, len(some))
    assert MentionCodes.learn(some) == MentionCodes.learn(shuffled)


def test_of_too_many_wordings_the_most_frequent_teach_and_all_are_known(
    encounter_of: Build,
    mentions: list[tuple[str, Code]],
    listed: list[Term],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    often = [pair for pair in mentions if "seminoma" in pair[0] or "timoma" in pair[0]]
    monkeypatch.setattr(mention_codes, "_MOST", len(often))
    learned = MentionCodes.learn([marked(encounter_of, [*mentions, *often])], listed)
    assert learned is not None
    assert learned.axes[0].values == ("ICD-O-3:8580", "ICD-O-3:9061")
    assert all(learned.knows(words) for words, _ in mentions)


def test_nothing_is_learned_without_marks(encounter_of: Build) -> None:
    assert MentionCodes.learn([encounter_of("Nothing is marked.")]) is None
    assert MentionCodes.learn([]) is None


def test_there_and_back_without_a_word(learned: MentionCodes) -> None:
    text = json.dumps(learned.to_dict(), ensure_ascii=False)
    again = MentionCodes.from_dict(json.loads(text))
    assert again == learned
    asked = ["metástasis de seminoma", "timoma de células raras", "", "."]
    assert again(asked) == learned(asked)
    assert not any(word in text.casefold() for word in ("seminoma", "timoma", "metástasis", "situ"))


@pytest.mark.parametrize(
    "change",
    [
        {"known": []},
        {"known": {"0": {"nonsense": 1}}},
        {"known": {"0": {"ICD-O-3:8140/3": 0}}},
        {"columns": [-1]},
        {"columns": []},
        {"rarity": None},
        {"axes": []},
        {"axes": [["ICD-O-3", ["3"], 1.0]]},
        {"mean": [0.5]},
        {"weights": [[[0], []]]},
        {"weights": None},
    ],
)
def test_a_damaged_file_is_refused(learned: MentionCodes, change: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"^mentions' codes: damaged; run `surecode train` again$"):
        MentionCodes.from_dict({**learned.to_dict(), **change})
    values = learned.to_dict()
    values["mean"][0] = float("nan")
    with pytest.raises(InputError, match="damaged"):
        MentionCodes.from_dict(values)
    with pytest.raises(InputError, match="damaged"):
        MentionCodes.from_dict(None)
