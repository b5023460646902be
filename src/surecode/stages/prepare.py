"""``surecode prepare``: a source's files → the run's encounter table, splits and label space."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from surecode.codes.label_space import LabelSpace
from surecode.data.read import read
from surecode.data.splits import check_splits
from surecode.encounter import SPLITS, Encounter
from surecode.lexicon.terms_shipped import list_files
from surecode.settings import Config
from surecode.stages.run_folder import Figures, RunFolder, learning_fingerprint
from surecode.stages.terms import with_terms


def network_codes(config: Config, encounters: Iterable[Encounter]) -> LabelSpace:
    """The codes that a network learns: those of enough encounters of train."""
    wanted = config.specialty.label_space
    return LabelSpace.from_encounters(encounters, wanted.systems, wanted.minimum_count)


def _files(config: Config) -> list[Path]:
    descriptions = config.head.descriptions
    return [
        *([] if descriptions is None else [descriptions]),
        *config.coder.terms,
        *list_files(config.coder.wordings),
    ]


def prepare(config: Config) -> Figures:
    """Write encounters and label space; raises `InputError` for anything wrong with the source."""
    folder = RunFolder(config)
    dataset = read(config.data, config.specialty, config.seed)
    check_splits(dataset.encounters)
    space = (
        network_codes(config, dataset.encounters)
        if config.coder.kind == "neural"
        else with_terms(config, dataset.encounters)
    )
    folder.begin()
    folder.write_data(dataset, space)
    counts = {split: len(dataset.of(split)) for split in SPLITS}
    test = dataset.of("test")
    gold = sum(len(e.code_set) for e in test)
    covered = sum(code in space for e in test for code in e.code_set)
    return folder.finish(
        "prepare",
        {
            "data": dataset.name,
            "specialty": config.specialty.name,
            "encounters": counts,
            "codes": len(space),
            "label_space": space.hash,
            "learning": learning_fingerprint(dataset.encounters, space, _files(config)),
            "test_codes_in_label_space": covered / gold if gold else None,
            "test_encounters_in_label_space": sum(
                all(code in space for code in e.code_set) for e in test
            )
            / len(test),
            "groups_cut_by_official_splits": dataset.cut_groups,
        },
    )
