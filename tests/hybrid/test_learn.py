"""Cross-fitting: what is learned of tune does not come from the encounter itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from surecode.calibration.folds import folds_of
from surecode.codes.label_space import LabelSpace
from surecode.encounter import Code, Document, Encounter, Evidence, GoldCode, Span
from surecode.errors import InputError
from surecode.hybrid import weights
from surecode.hybrid.candidates import candidates
from surecode.hybrid.claims import Claim, claims
from surecode.hybrid.found import Found, Terms, find
from surecode.hybrid.learn import FOLDS, Learned, learn
from surecode.hybrid.mention_codes import MentionCodes
from surecode.hybrid.reader import TermReader
from surecode.hybrid.tagger import Tagged, Tagger
from surecode.hybrid.titles import Titles
from surecode.lexicon.lexicon import Lexicon
from surecode.lexicon.term import Term
from surecode.lexicon.terms_table import table_terms
from surecode.lexicon.terms_training import training_terms, words_of

Learn = Callable[..., Learned]
FEVER, COUGH = Code("ICD-10-CM", "R50.9"), Code("ICD-10-CM", "R05.9")
PLAIN = Code("ICD-10-CM", "Z00.00")


def without_gold(encounter: Encounter) -> Encounter:
    return replace(encounter, codes=(), evidence=())


def planted(encounter: Encounter, code: Code) -> Encounter:
    """The encounter with a word that stands nowhere else, annotated with a code."""
    first, *rest = encounter.documents
    text = f"{first.text} Zyzzogeton."
    span = Span(first.document_id, len(first.text) + 1, len(text) - 1)
    return replace(
        encounter,
        documents=(Document(first.document_id, first.kind, text), *rest),
        codes=(*(one for one in encounter.codes if one.code != code), GoldCode(code, 99)),
        evidence=(*encounter.evidence, Evidence(code, span, 99)),
    )


@pytest.mark.parametrize("what", ["terms", "similarity", "tagger"])
def test_tunes_logits_are_the_same_whatever_the_encounters_gold(
    corpus: list[Encounter], learned_of: Learn, titles: Titles, what: str
) -> None:
    """To the last bit: neither terms nor weights that read an encounter saw its fold's gold."""
    more: dict[str, object] = {
        "terms": {},
        "similarity": {"similar": titles},
        "tagger": {"tagger": "crf"},
    }[what]
    before = learned_of(corpus, **more)
    fold = folds_of([e.patient_id for e in corpus], FOLDS, 0)
    for place in (27, 33, 39) if what == "terms" else (33,):
        one = corpus[place]
        gold = (GoldCode(Code("ICD-10-CM", "D62"), 1),)
        changed = [*corpus]
        changed[place] = replace(one, codes=gold, evidence=())
        after = learned_of(changed, **more)
        for encounter, k in zip(corpus, fold, strict=True):
            if encounter.encounter_id in before.tune and k == fold[place]:
                name = encounter.encounter_id
                assert after.tune[name].tobytes() == before.tune[name].tobytes()
        # The other folds do learn from it, or nothing was tested.
        assert any(after.tune[n].tobytes() != before.tune[n].tobytes() for n in before.tune)


def test_terms_of_the_encounters_own_annotation_do_not_read_it(
    corpus: list[Encounter], learned_of: Learn, space: LabelSpace
) -> None:
    """A word that only this encounter has, annotated: the shipped reader knows it, tune's not."""
    place = next(n for n in range(27, 40) if PLAIN not in corpus[n].code_set)
    encounter = planted(corpus[place], PLAIN)
    changed = [*corpus]
    changed[place] = encounter
    learned = learned_of(changed)
    column = space.index(PLAIN)
    reading = learned.reader(encounter, space)
    assert column in reading.places
    quoted = reading.places[column][0].spans[0]
    assert encounter.text(quoted.document_id)[quoted.start : quoted.end] == "Zyzzogeton"
    fold = folds_of([e.patient_id for e in changed], FOLDS, 0)
    others = [e for e, k in zip(changed, fold, strict=True) if k != fold[place]]
    # What is said of the code is by how often others have it, as if nothing named it.
    counts = sum(PLAIN in e.code_set for e in others) / len(others)
    assert learned.tune[encounter.encounter_id][column] < np.log(counts / (1 - counts))
    assert reading.logits[column] > learned.tune[encounter.encounter_id][column] + 1


def test_a_tagger_is_kept_with_the_reader(
    corpus: list[Encounter], learned: Learned, learned_of: Learn, space: LabelSpace
) -> None:
    tagged = learned_of(corpus, tagger="crf")
    assert tagged.reader.terms.tagger is not None
    assert learned.reader.terms.tagger is None
    again = TermReader.from_dict(json.loads(json.dumps(tagged.reader.to_dict())))
    assert again.terms.tagger == tagged.reader.terms.tagger
    before, after = tagged.reader(corpus[0], space), again(corpus[0], space)
    assert before.logits.tobytes() == after.logits.tobytes()
    assert before.logits.tobytes() != learned.reader(corpus[0], space).logits.tobytes()


@pytest.mark.parametrize("kind", ["crf", "network"])
def test_no_tagger_judges_an_encounter_that_taught_it(
    corpus: list[Encounter], learned_of: Learn, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Nor, of a field, one of a fold that others are read without; all teach the one that ships."""
    taught: list[tuple[Tagger, set[str]]] = []
    judged: set[str] = set()
    plain, read = Tagger.learn, Tagger.__call__

    def learning(some: Sequence[Encounter], **_: object) -> Tagger | None:
        tagger = plain(some)
        assert tagger is not None
        taught.append((tagger, {encounter.encounter_id for encounter in some}))
        return tagger

    def reading(self: Tagger, document: Document) -> Tagged:
        name = document.document_id.rpartition("-")[0]
        (teachers,) = [names for tagger, names in taught if tagger is self]
        assert name not in teachers
        judged.add(name)
        return read(self, document)

    monkeypatch.setattr(Tagger, "learn", learning)
    monkeypatch.setattr(Tagger, "__call__", reading)
    learned_of(corpus, tagger=kind)
    everyone = {encounter.encounter_id for encounter in corpus}
    assert judged == everyone
    assert [names for _, names in taught].count(everyone) == 1
    pairs = 0 if kind == "network" else FOLDS * (FOLDS - 1) // 2
    assert len(taught) == FOLDS + pairs + 1


def test_no_mention_is_given_a_code_by_what_its_encounter_taught(
    corpus: list[Encounter], learned_of: Learn, monkeypatch: pytest.MonkeyPatch
) -> None:
    taught: list[tuple[MentionCodes, set[str]]] = []
    judged: set[str] = set()
    plain = MentionCodes.learn

    def learning(some: Iterable[Encounter], listed: Iterable[Term]) -> MentionCodes | None:
        encounters = list(some)
        codes = plain(encounters, listed)
        assert codes is not None
        taught.append((codes, {encounter.encounter_id for encounter in encounters}))
        return codes

    def claiming(found: Found, codes: MentionCodes | None) -> dict[Code, list[Claim]]:
        (teachers,) = [names for known, names in taught if known is codes]
        assert found.encounter.encounter_id not in teachers
        judged.add(found.encounter.encounter_id)
        return claims(found, codes)

    monkeypatch.setattr(MentionCodes, "learn", learning)
    monkeypatch.setattr(weights, "claims", claiming)
    learned = learned_of(corpus, tagger="crf")
    everyone = {encounter.encounter_id for encounter in corpus}
    assert judged == everyone
    assert learned.reader.weights.mention_codes is not None
    (teachers,) = [
        names for known, names in taught if known is learned.reader.weights.mention_codes
    ]
    assert teachers == everyone


def test_lists_tell_the_codes_of_mentions(tumours: list[Encounter]) -> None:
    tumour, listed = Code("ICD-O-3", "8140/3"), Code("ICD-O-3", "9220/3")
    terms = [
        Term("condrosarcoma", listed, "shipped", "r0", 0.5, "es", 0),
        Term("condroma", listed, "sense", "r1", 0.5, "es", 0),
    ]
    space = LabelSpace((tumour, listed))
    learned = learn(tumours[:25], tumours[25:], terms, [], space, tagger="crf")
    codes = learned.reader.weights.mention_codes
    assert codes is not None
    assert codes.axes[0].values == ("ICD-O-3:8140", "ICD-O-3:9220")
    plain = MentionCodes.learn(tumours, terms[:1])
    assert codes == plain


def test_a_tagger_without_marks_to_learn_from_is_refused(
    corpus: list[Encounter], learned_of: Learn
) -> None:
    bare = [replace(encounter, evidence=()) for encounter in corpus]
    with pytest.raises(InputError, match=r"^tagger: no encounter .* set coder\.tagger=none$"):
        learned_of(bare, tagger="crf")


def test_the_same_patient_shares_a_fold(
    corpus: list[Encounter], learned_of: Learn, space: LabelSpace
) -> None:
    """The planted word of one encounter does not read the other encounter of its patient."""
    last = len(corpus) - 1
    column = space.index(PLAIN)
    twin = replace(planted(corpus[last], PLAIN), patient_id=corpus[0].patient_id)
    first = planted(corpus[0], PLAIN)
    other = [planted(corpus[0], PLAIN), *corpus[1:last], planted(corpus[last], PLAIN)]
    same = learned_of([first, *corpus[1:last], twin])
    fold = folds_of([e.patient_id for e in other], FOLDS, 0)
    assert fold[0] != fold[last]
    apart = learned_of(other)
    name = twin.encounter_id
    assert apart.tune[name][column] > same.tune[name][column] + 1


def test_it_does_not_depend_on_the_order_within_a_split(
    corpus: list[Encounter], learned: Learned, learned_of: Learn
) -> None:
    cut = len(corpus) * 2 // 3
    again = learned_of([*corpus[:cut][::-1], *corpus[cut:][::-1]])
    for name, logits in learned.tune.items():
        np.testing.assert_allclose(again.tune[name], logits, atol=1e-4)


def test_tune_has_a_row_for_each_encounter_and_no_train(
    corpus: list[Encounter], learned: Learned, space: LabelSpace
) -> None:
    cut = len(corpus) * 2 // 3
    assert set(learned.tune) == {e.encounter_id for e in corpus[cut:]}
    assert {row.shape for row in learned.tune.values()} == {(len(space),)}
    assert learned.reader.joint is None
    # The likeliest code is gold more often than not: something was learned.
    best = [space.codes[int(learned.tune[e.encounter_id].argmax())] for e in corpus[cut:]]
    right = sum(code in e.code_set for code, e in zip(best, corpus[cut:], strict=True))
    assert right > len(best) * 0.7


def test_a_network_that_knows_the_gold_is_trusted(
    corpus: list[Encounter], learned_of: Learn, space: LabelSpace
) -> None:
    known = np.array([k for k, code in enumerate(space.codes) if code != FEVER], dtype=np.intp)
    rng = np.random.default_rng(0)

    def neural(noise: float) -> dict[str, NDArray[np.float64]]:
        gold = {e.encounter_id: space.encode([e.code_set])[0, known] for e in corpus}
        return {
            name: np.where(row, 3.0, -3.0) * (1 - noise) + rng.normal(size=len(known)) * 3 * noise
            for name, row in gold.items()
        }

    def loss(found: Learned) -> float:
        rows = [
            np.logaddexp(0, np.where(space.encode([e.code_set])[0], -1, 1) * found.tune[name])
            for e in corpus
            if (name := e.encounter_id) in found.tune
        ]
        return float(np.mean(rows))

    good, bad = (learned_of(corpus, neural=neural(x), columns=known) for x in (0.0, 1.0))
    assert good.reader.joint is not None
    assert loss(good) < loss(learned_of(corpus)) < loss(bad) + 0.05
    assert loss(good) < loss(bad) - 0.02


@pytest.mark.parametrize("what", ["codes", "evidence"])
def test_nothing_to_learn_from_is_told_in_one_line(
    what: str, corpus: list[Encounter], space: LabelSpace
) -> None:
    if what == "codes":
        some, message = (
            [without_gold(e) for e in corpus],
            "no encounter of train or tune has a code",
        )
    else:
        some, message = [replace(e, evidence=()) for e in corpus], "no term is found in any"
    with pytest.raises(InputError, match=message) as caught:
        learn(some[:20], some[20:], [], [], space)
    assert "\n" not in str(caught.value)


def test_absent_codes_of_tune_are_by_the_other_folds(
    corpus: list[Encounter], learned: Learned, space: LabelSpace
) -> None:
    """P = share of known gold that no term names, times the code's frequency: without the fold."""
    assert learned.reader.terms.statistics.encounters == len(corpus)
    fold = folds_of([e.patient_id for e in corpus], FOLDS, 0).tolist()
    column, shares = space.index(PLAIN), set()  # a code that no term ever names
    table = Lexicon.build(table_terms(space.codes)).hashed()
    for k in sorted(set(fold[len(corpus) * 2 // 3 :])):
        missed = total = 0
        others = [e for e, its in zip(corpus, fold, strict=True) if its != k]
        for j in sorted(set(fold) - {k}):
            some = [e for e, its in zip(corpus, fold, strict=True) if its not in (j, k)]
            lexicon = Lexicon.build(training_terms(some), others=words_of(some)).hashed()
            terms = Terms.learn(some, lexicon, table)
            for other, its in zip(corpus, fold, strict=True):
                if its == j:
                    proposed = candidates(find(other, terms), {}).codes
                    known = other.code_set & terms.statistics.known
                    total += len(known)
                    missed += len(known - set(proposed))
        share = (missed + 0.5) / (total + 1)
        p = share * sum(PLAIN in e.code_set for e in others) / len(others)
        for one, its in list(zip(corpus, fold, strict=True))[len(corpus) * 2 // 3 :]:
            if its == k:
                assert learned.tune[one.encounter_id][column] == pytest.approx(np.log(p / (1 - p)))
        shares.add(share)
    assert len(shares) > 1


def test_two_patients_are_too_few(corpus: list[Encounter], space: LabelSpace) -> None:
    some = [replace(e, patient_id=f"p{n % 2}") for n, e in enumerate(corpus)]
    with pytest.raises(InputError, match="fewer patients than 3; give encounters of more"):
        learn(some[:20], some[20:], [], [], space)


def test_three_patients_without_a_common_word_are_learned_from(
    space: LabelSpace, encounter_of: Callable[..., Encounter]
) -> None:
    """Inside two folds nothing may be found, though there is something in all of three."""
    some = []
    for n, text in enumerate(("Fever today.", "Cough today.", "Fever and cough today.")):
        evidence = tuple(
            Evidence(code, Span("d0", at, at + len(word)), k)
            for k, (word, code) in enumerate((("fever", FEVER), ("cough", COUGH)))
            if (at := text.lower().find(word)) >= 0
        )
        codes = tuple(GoldCode(item.code, k) for k, item in enumerate(evidence, start=1))
        plain = encounter_of(text, encounter_id=f"e{n}")
        some.append(replace(plain, patient_id=f"p{n}", codes=codes, evidence=evidence))
    for seed in range(3):
        learned = learn(some[:2], some[2:], [], [], space, seed=seed)
        assert np.isfinite(learned.tune["e2"]).all()
