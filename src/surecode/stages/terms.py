"""Terms in a run: which codes they bring into the label space, and how they are learned.

Terms learn from tune as well as from train, by cross-fitting (`surecode.hybrid.learn`), so the
label space of a coder with terms has the codes of both splits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from surecode.bundle import layout
from surecode.codes.axes import composed
from surecode.codes.descriptions import wordings
from surecode.codes.label_space import LabelSpace
from surecode.codes.releases import may_be_billed, valid_codes
from surecode.codes.systems import system_of
from surecode.encounter import Code, Encounter, Split
from surecode.errors import InputError
from surecode.files import whole, write_json
from surecode.hybrid.found import TABLES
from surecode.hybrid.learn import Learned, learn
from surecode.hybrid.sentences import Embedder
from surecode.hybrid.similarity import DescriptionSimilarity
from surecode.hybrid.titles import Titles, different, english_wordings, is_english
from surecode.hybrid.withholding import Withholding
from surecode.lexicon.documents import check_language, languages_of
from surecode.lexicon.lexicon import Lexicon
from surecode.lexicon.scattered import ScatteredTerms
from surecode.lexicon.term import Term
from surecode.lexicon.terms_shipped import listed_terms
from surecode.lexicon.terms_table import table_terms
from surecode.lexicon.terms_user import read_term_list
from surecode.settings import Config
from surecode.stages.run_folder import RunFolder

LEARNING: tuple[Split, ...] = ("train", "tune")
# The release of the one table at hand.
_RELEASE = {"ICD-10-CM": "FY2026"}
# Six characters and the dot: a seventh tells which visit it is.
_LONGEST = 7


def with_terms(config: Config, encounters: Iterable[Encounter]) -> LabelSpace:
    """The label space of a coder with terms.

    Codes of train and tune; codes of lists, shipped ones in the languages of the documents and
    valid on their latest day; variants of all these where people marked what says which
    (`codes.axes`); and codes of the tables that a title names in some text of train or tune: what
    no text of training ever names is left to `codes add`.
    """
    systems = {system_of(name).name for name in config.specialty.label_space.systems}
    some = [encounter for encounter in encounters if encounter.split in LEARNING]
    own = own_terms(config, some)
    codes = {code for encounter in some for code in encounter.code_set}
    codes |= {term.code for term in own}
    if listed := {term.code for term in _shipped(config, some)}:
        day = _day(some)
        codes |= {code for code in listed if may_be_billed(code, day)}
    if any(encounter.evidence for encounter in some):
        codes |= composed(codes)
    tables = systems & set(config.coder.tables)
    if tables:
        codes |= _named(some, tables)
        if config.coder.similarity == "tables" and _has_english(some):
            codes |= {code for code in _billable(tables) if len(code.value) <= _LONGEST}
    return LabelSpace(tuple(sorted(code for code in codes if code.system in systems)))


def own_terms(config: Config, encounters: Sequence[Encounter]) -> list[Term]:
    """The terms of a user's lists; raises `InputError` where a list is wrong or does not fit."""
    terms = [term for path in config.coder.terms for term in read_term_list(path, _day(encounters))]
    check_language(terms, encounters)
    return terms


def learn_terms(
    config: Config,
    folder: RunFolder,
    space: LabelSpace,
    neural: Mapping[str, NDArray[np.floating]] | None = None,
    columns: Sequence[int] | None = None,
) -> Learned:
    """Learn the terms, put them into the bundle, and keep tune's cross-fitted logits."""
    train, tune = (folder.encounters(split) for split in LEARNING)
    learned = learn(
        train,
        tune,
        [*own_terms(config, [*train, *tune]), *_shipped(config, [*train, *tune], space)],
        table_terms(space.codes) if config.coder.tables else [],
        space,
        neural=neural,
        columns=columns,
        similar=_titles(config, space, [*train, *tune]),
        withholding=Withholding(
            denied=config.coder.denied == "withhold", senses=config.coder.senses == "decide"
        ),
        tagger=config.coder.tagger,
        seed=config.seed,
        progress=config.trainer.progress,
    )
    write_json(folder.bundle / layout.TERMS, learned.reader.to_dict())
    if (titles := learned.reader.titles) is None:
        (folder.bundle / layout.SIMILARITY).unlink(missing_ok=True)
    else:
        titles.similarity.write(folder.bundle / layout.SIMILARITY)
    tagger = learned.reader.terms.tagger
    if tagger is None or tagger.network is None:
        (folder.bundle / layout.TAGGER).unlink(missing_ok=True)
    else:
        tagger.network.write(folder.bundle / layout.TAGGER)
    rows = [
        {"encounter_id": name, "logits": logits.tolist()} for name, logits in learned.tune.items()
    ]
    schema = pa.schema(
        [("encounter_id", pa.string()), ("logits", pa.list_(pa.float32()))],
        metadata={"label_space": space.hash},
    )
    with whole(folder.tune_logits) as temporary:
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), temporary)
    return learned


def tune_logits(
    folder: RunFolder, tune: Sequence[Encounter], space: LabelSpace
) -> NDArray[np.float32]:
    """Logits ``[N, K]`` of tune from terms that never saw the encounter's gold."""
    try:
        read = pq.read_table(folder.tune_logits)
        table = read.to_pydict()
        if read.schema.metadata[b"label_space"] != space.hash.encode():
            raise KeyError("label_space")
        found = dict(zip(table["encounter_id"], table["logits"], strict=True))
        rows = [found[encounter.encounter_id] for encounter in tune]
    except (OSError, pa.ArrowInvalid, KeyError, TypeError):
        raise InputError(
            f"{folder.tune_logits}: not found, damaged or of other encounters or codes; "
            "run `surecode train` again"
        ) from None
    return np.array(rows, dtype=np.float32)


def _shipped(
    config: Config, encounters: Sequence[Encounter], space: LabelSpace | None = None
) -> list[Term]:
    """Shipped wordings in the languages of the documents, of the codes of the label space."""
    if not config.coder.wordings:
        return []
    codes = None if space is None else frozenset(space.codes)
    languages = languages_of(encounters) or None
    senses = config.coder.senses == "decide"
    return listed_terms(config.coder.wordings, languages, codes, senses=senses)


def _titles(config: Config, space: LabelSpace, encounters: Sequence[Encounter]) -> Titles | None:
    """Wordings to compare sentences with; None where the coder looks at none or none is read."""
    if config.coder.similarity == "none" or not _has_english(encounters):
        return None
    listed = english_wordings(_shipped(config, encounters, space))
    given = {
        code: different(some)
        for code in space.codes
        if (some := [*wordings(code), *listed.get(code, ())])
    }
    if not given:
        return None
    embed = Embedder.load(config.encoder)
    codes, texts = list(given), list(given.values())
    return Titles(DescriptionSimilarity.build(codes, texts, embed, embed.encoder), embed)


def _has_english(encounters: Iterable[Encounter]) -> bool:
    return any(is_english(document) for e in encounters for document in e.documents)


def _billable(tables: Iterable[str]) -> list[Code]:
    return [
        Code(system, value)
        for system in sorted(tables)
        for value in sorted(valid_codes(system, _RELEASE[system]) or ())
    ]


def _named(encounters: Sequence[Encounter], tables: Iterable[str]) -> set[Code]:
    titles = ScatteredTerms(Lexicon.build(table_terms(_billable(tables))), TABLES)
    return {
        term.code
        for encounter in encounters
        for document in encounter.documents
        for sentence in titles.find(document)
        for scatter in sentence
        if not scatter.shadowed
        for term in titles.spoken(scatter).terms
    }


def _day(encounters: Sequence[Encounter]) -> date:
    """The latest date of service: a list may name codes that are new."""
    return max(encounter.date_of_service for encounter in encounters)
