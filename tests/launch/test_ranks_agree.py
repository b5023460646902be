from __future__ import annotations

import pytest

from surecode.config import compose_config, parse
from surecode.settings import Config
from surecode.stages.train import _chosen


def test_ranks_that_a_cluster_started_measure_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(*_: object) -> None:
        raise AssertionError("two ranks may measure differently")

    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr("surecode.coder.runtime.encoder_seconds", measured)
    words = ["specialty=radiology", "trainer.accelerator=cpu"]
    chosen = _chosen(parse(Config, compose_config("train", words)))
    assert (chosen.precision, chosen.attention) == ("fp32", "sdpa")
    own = parse(Config, compose_config("train", [*words, "runtime.training=bf16"]))
    assert _chosen(own).precision == "bf16"
