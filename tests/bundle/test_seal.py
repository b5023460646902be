"""A bundle is what its manifest says, to the byte, and holds nothing that can run code."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import surecode
from surecode.bundle.seal import seal, verify
from surecode.coder.encoder import file_sha256
from surecode.errors import InputError
from surecode.files import read_json, write_json

FILES = (
    "adapter/adapter_config.json",
    "adapter/adapter_model.safetensors",
    "calibrator.json",
    "card.md",
    "certificate.json",
    "coder.json",
    "encoder.lock.json",
    "evidence.json",
    "head.safetensors",
    "label_space.json",
    "runtime.json",
    "tokenizer/tokenizer.json",
    "tokenizer/tokenizer_config.json",
)


@pytest.fixture
def bundle(sealed_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sealed_bundle, tmp_path / "bundle"))


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(InputError) as refused:
        act()
    line = str(refused.value)
    assert "\n" not in line
    return line


def test_the_manifest_names_every_file_with_its_sha256(sealed_bundle: Path) -> None:
    manifest = read_json(sealed_bundle / "manifest.json", "")
    assert tuple(manifest) == FILES
    assert manifest == {name: file_sha256(sealed_bundle / name) for name in FILES}


def test_an_untouched_bundle_passes(bundle: Path) -> None:
    verify(bundle)


def test_sealing_again_changes_nothing(bundle: Path) -> None:
    before = file_sha256(bundle / "manifest.json")
    assert seal(bundle) == before == file_sha256(bundle / "manifest.json")


@pytest.mark.parametrize("name", FILES)
def test_one_changed_byte_is_found(bundle: Path, name: str) -> None:
    content = bytearray((bundle / name).read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / name).write_bytes(content)
    assert f"{name} is damaged" in refusal(lambda: surecode.load(bundle))


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_found(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    assert f"{name} is missing" in refusal(lambda: surecode.load(bundle))


@pytest.mark.parametrize("name", ["more.json", "adapter/more.safetensors", "deep/er/note.txt"])
def test_an_extra_file_is_found(bundle: Path, name: str) -> None:
    (bundle / name).parent.mkdir(parents=True, exist_ok=True)
    (bundle / name).write_text("{}")
    assert f"{name} is not in the manifest" in refusal(lambda: surecode.load(bundle))


class Payload:
    """What a pickle may be: an order to call any function."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return Path.touch, ("ran",)  # type: ignore[return-value]


@pytest.mark.parametrize("name", ["head.pt", "model.bin", "head.pkl", "model.py", "Makefile"])
@pytest.mark.parametrize("act", [surecode.load, verify, seal])
def test_what_can_run_code_is_refused_and_never_read(
    bundle: Path, name: str, act: Callable[[Path], object]
) -> None:
    (bundle / name).write_bytes(pickle.dumps(Payload()))
    assert f"{name} does not belong there" in refusal(lambda: act(bundle))


def test_a_pickle_under_the_name_of_the_weights_is_refused(bundle: Path) -> None:
    (bundle / "head.safetensors").write_bytes(pickle.dumps(Payload()))
    seal(bundle)  # even a manifest that vouches for it does not help
    assert "head.safetensors: is damaged" in refusal(lambda: surecode.load(bundle))


def test_a_bundle_without_a_manifest_is_not_finished(bundle: Path) -> None:
    (bundle / "manifest.json").unlink()
    assert "run `surecode register`" in refusal(lambda: surecode.load(bundle))


@pytest.mark.parametrize("content", ["[]", "{", "", '"text"', "\udcff"])
def test_a_damaged_manifest_is_refused(bundle: Path, content: str) -> None:
    (bundle / "manifest.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    assert "manifest.json: is damaged" in refusal(lambda: surecode.load(bundle))


def test_a_manifest_cannot_point_outside(bundle: Path) -> None:
    outside = bundle.parent / "outside.json"
    outside.write_text("{}")
    manifest = read_json(bundle / "manifest.json", "")
    write_json(bundle / "manifest.json", manifest | {"../outside.json": file_sha256(outside)})
    assert "../outside.json is missing" in refusal(lambda: surecode.load(bundle))


def test_no_bundle_at_all(tmp_path: Path) -> None:
    assert "no bundle here" in refusal(lambda: surecode.load(tmp_path / "nothing"))
    assert "no bundle here" in refusal(lambda: surecode.load(str(tmp_path / "nothing")))
