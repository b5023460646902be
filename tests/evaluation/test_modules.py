import socket

import evaluate
import pytest

from surecode.errors import InputError
from surecode.evaluation import metrics, modules

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


@pytest.mark.parametrize("name", modules.MODULES)
def test_every_module_loads_from_its_folder(name):
    module = evaluate.load(str(modules.folder(name)))
    assert module.name == name
    assert module.description


def test_an_unknown_name_gives_the_choices():
    with pytest.raises(InputError, match="coding_f1"):
        modules.load("f1")
