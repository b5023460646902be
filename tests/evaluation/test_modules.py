import socket

import evaluate
import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from surecode.encounter import Span
from surecode.errors import InputError
from surecode.evaluation import metrics, modules
from surecode.evaluation.evidence_pairs import EncounterWords, EvidencePair
from surecode.evaluation.plausibility import plausibility
from surecode.evaluation.word_ranking import grid_auprc

GOLD = [["I10", "E11.9"], ["N39.0"], ["C61"]]
RANKED = [["E11.9", "I10"], [], ["R52", "C61"]]


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a metric reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_EVALUATE_OFFLINE", "1")


def test_coding_f1():
    result = modules.load("coding_f1").compute(predictions=RANKED, references=GOLD)
    micro, macro = metrics.micro(GOLD, RANKED), metrics.macro(GOLD, RANKED)
    assert result == {
        "micro_precision": micro.precision,
        "micro_recall": micro.recall,
        "micro_f1": micro.f1,
        "macro_precision": macro.precision,
        "macro_recall": macro.recall,
        "macro_f1_of_means": macro.macro_f1_of_means,
        "macro_f1_mean": macro.macro_f1_mean,
        "macro_codes": 5,
    }


def test_exact_match_ratio():
    module = modules.load("exact_match_ratio")
    assert module.compute(predictions=RANKED, references=GOLD) == {"exact_match_ratio": 1 / 3}
    module.add_batch(predictions=[[]], references=[[]])
    module.add(prediction=[], reference=["I10"])
    assert module.compute() == {"exact_match_ratio": 0.5}


def test_mean_average_precision():
    module = modules.load("mean_average_precision")
    result = module.compute(predictions=RANKED, references=GOLD)
    assert result == {"mean_average_precision": 0.75, "mean_average_precision_all": 0.5}
    valid = ["I10", "E11.9", "N39.0", "C61"]
    result = module.compute(predictions=RANKED, references=GOLD, valid=valid)
    assert result["mean_average_precision"] == 1.0


def test_codiesp_x():
    module = modules.load("codiesp_x")
    gold = [[{"code": "i10", "start": 5, "end": 17}], [{"code": "i10", "start": 0, "end": 4}]]
    shown = [[{"code": "i10", "start": 0, "end": 20}], [{"code": "R52", "start": 0, "end": 4}]]
    result = module.compute(predictions=shown, references=gold)
    counts = {"true_positive": 1, "predicted": 2, "gold": 2}
    assert result == {"precision": 0.5, "recall": 0.5, "f1": 0.5} | counts
    result = module.compute(predictions=shown, references=gold, valid=["i10"])
    assert (result["precision"], result["recall"]) == (1.0, 0.5)
    module.add_batch(predictions=[[], gold[1]], references=gold)
    assert module.compute()["recall"] == 0.5
    assert module.compute(predictions=[[]], references=[gold[0]])["f1"] == 0.0


def test_evidence_f1():
    # Two pieces of one mention and one shown; a mention missed; nothing shown.
    shown = [[[0, 4]], [[0, 4]], []]
    gold = [[[[0, 4], [8, 12]]], [[[5, 7]]], [[[0, 4]]]]
    words = [[[0, 4], [5, 7], [8, 12]]] * 3
    result = modules.load("evidence_f1").compute(predictions=shown, references=gold, words=words)
    place = EncounterWords({"d": np.array(words[0])})
    expected = plausibility(
        EvidencePair(
            place,
            tuple(tuple(Span("d", *piece) for piece in mention) for mention in mentions),
            tuple(Span("d", *one) for one in spans),
        )
        for mentions, spans in zip(gold, shown, strict=True)
    )
    assert result == {
        "pairs": 3,
        "precision": 1 / 2,
        "recall": 1 / 4,
        "f1": 1 / 3,
        "span_recall": expected.span_recall,
        "cover": expected.cover,
        "iou": expected.iou,
        "empty_rate": 1 / 3,
        "class_exact": 0.0,
        "class_proximate": 1 / 3,
        "class_partial": 0.0,
        "class_none": 1 / 3,
        "class_empty": 1 / 3,
    }


def test_evidence_auprc():
    scores, gold = [[3.0, 1.0, -2.0], [1.0, 3.0], [9.0]], [[1, 0, 0], [1, 0], [0]]
    result = modules.load("evidence_auprc").compute(predictions=scores, references=gold)
    flags, shares = [1, 0, 0, 1, 0], [0.75, 0.25, 0, 0.25, 0.75]
    assert result["pairs"] == 2  # the third has no gold evidence
    assert result["auprc"] == pytest.approx(average_precision_score(flags, shares))
    assert result["auprc_grid"] == pytest.approx(grid_auprc(flags, shares))


@pytest.mark.parametrize("name", modules.MODULES)
def test_every_module_loads_from_its_folder(name):
    module = evaluate.load(str(modules.folder(name)))
    assert module.name == name
    assert module.description


def test_an_unknown_name_gives_the_choices():
    with pytest.raises(InputError, match="coding_f1"):
        modules.load("f1")
