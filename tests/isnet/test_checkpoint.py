"""Checkpoint directories, and the authors' files."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch

from isnet.checkpoint import (
    CONFIG_FILE,
    TRAINING_FILE,
    WEIGHTS_FILE,
    load_generator,
    load_training_state,
    read_about,
    read_config,
    read_generator,
    save_generator,
    save_training_state,
)
from isnet.config import GeneratorConfig, InputError
from isnet.network import generator_from_config
from tests.reference import NETWORKS, golden, published_state, reference_input

SMALL = GeneratorConfig(blocks=1, channels=2)


@pytest.fixture
def saved(tmp_path):
    generator = generator_from_config(SMALL).eval()
    folder = tmp_path / "run" / "model"
    folder.mkdir(parents=True)
    save_generator(folder, generator, SMALL, about={"run": "a"})
    return folder, generator


@pytest.mark.parametrize("design", ["isnet", "base", "base_ff", "unet_like"])
def test_a_generator_comes_back_as_it_was(tmp_path, design):
    config = GeneratorConfig(design=design, blocks=2, channels=2)
    generator = generator_from_config(config).eval()
    save_generator(tmp_path, generator, config)
    loaded, found = read_generator(tmp_path)
    image = torch.rand(1, 3, 32, 32)
    assert found == config
    assert not loaded.training
    assert torch.equal(loaded(image), generator(image))


def test_facts_are_kept_beside_the_weights(saved):
    assert read_about(saved[0]) == {"run": "a"}


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_authors_files_load_and_give_their_output(tmp_path, name, prefix):
    state = {prefix + key: tensor.float() for key, tensor in published_state(name).items()}
    file = tmp_path / "InpaintingModel_gen.pth"
    torch.save({"generator": state, "epoch": 3}, file)
    with torch.no_grad():
        output = load_generator(file)(reference_input().float())
    np.testing.assert_allclose(output.numpy(), golden(name), atol=1e-4)


def test_missing_and_unexpected_tensors_are_named(tmp_path):
    state = published_state("isnet_blocks1")
    state["stray.weight"] = state.pop("final_layer.2.bias")
    file = tmp_path / "gen.pth"
    torch.save({"generator": state}, file)
    with pytest.raises(InputError, match=r"1 missing \(head\.2\.bias\); 1 unexpected \(stray"):
        load_generator(file)


def test_a_file_without_a_generator_says_so(tmp_path):
    file = tmp_path / "dis.pth"
    torch.save({"discriminator": {}}, file)
    with pytest.raises(InputError, match="holds no 'generator' state"):
        load_generator(file)


def test_a_file_with_code_in_it_is_not_run(tmp_path):
    class Attack:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    file = tmp_path / "evil.pth"
    file.write_bytes(pickle.dumps({"generator": Attack()}))
    with pytest.raises(InputError, match="not a checkpoint file"):
        load_generator(file)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("kept", [0, 1, 1000])
def test_an_authors_file_cut_short_is_a_clear_error(tmp_path, kept):
    file = tmp_path / "gen.pth"
    torch.save({"generator": {"weight": torch.rand(1000)}}, file)
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(InputError, match=r"gen\.pth is not a checkpoint file that .*: \w"):
        load_generator(file)


def _save_config(folder, **changes):
    content = json.loads((folder / CONFIG_FILE).read_text()) | changes
    (folder / CONFIG_FILE).write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"[]", "holds a list"),
        (b"null", "holds a NoneType"),
        (b'{"format": ', "is not valid JSON"),
        (b"\xff\xfe", "is not valid JSON"),
        (b"", "is not valid JSON"),
    ],
)
def test_a_configuration_file_that_is_none_is_a_clear_error(saved, data, message):
    (saved[0] / CONFIG_FILE).write_bytes(data)
    with pytest.raises(InputError, match=rf"config\.json {message}"):
        read_config(saved[0])


@pytest.mark.parametrize(
    ("generator", "message"),
    [
        (None, "has no mapping 'generator'"),
        ([1], "has no mapping 'generator'"),
        ({"design": "isnet", "blocks": 1}, "lacks channels"),
        ({"design": "isnet", "blocks": 1, "channels": 2, "depth": 3}, "has the unknown depth"),
        ({"design": "isnet", "blocks": "1", "channels": 2}, "blocks is '1'; it must be int"),
        ({"design": "isnet", "blocks": 1, "channels": 2.5}, "channels is 2.5; it must be int"),
        ({"design": "resnet", "blocks": 1, "channels": 2}, "unknown design 'resnet'"),
        ({"design": "isnet", "blocks": 9, "channels": 2}, "blocks is 9"),
    ],
)
def test_a_damaged_configuration_names_the_file_and_the_field(saved, generator, message):
    _save_config(saved[0], generator=generator)
    with pytest.raises(InputError, match=rf"config\.json.* {message}"):
        load_generator(saved[0])


def test_missing_facts_are_a_clear_error(saved):
    _save_config(saved[0], about=None)
    with pytest.raises(InputError, match=r"config\.json has no mapping 'about'"):
        read_about(saved[0])


def test_tensors_of_another_design_are_refused(saved):
    folder, _ = saved
    content = json.loads((folder / CONFIG_FILE).read_text())
    content["generator"]["blocks"] = 2
    (folder / CONFIG_FILE).write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"does not fit its design: tensors .* missing"):
        load_generator(folder)


def test_tensors_of_another_width_are_refused(saved):
    folder, _ = saved
    content = json.loads((folder / CONFIG_FILE).read_text())
    content["generator"]["channels"] = 4
    (folder / CONFIG_FILE).write_text(json.dumps(content))
    with pytest.raises(InputError, match="of another shape"):
        load_generator(folder)


def test_nothing_there_is_a_clear_error(tmp_path):
    with pytest.raises(InputError, match=r"no checkpoint at .*none"):
        load_generator(tmp_path / "none")


def test_a_folder_around_a_checkpoint_gives_a_hint(saved):
    folder, _ = saved
    with pytest.raises(InputError, match=r"did you mean .*model"):
        load_generator(folder.parent)


def test_truncated_weights_are_a_clear_error(saved):
    folder, _ = saved
    file = folder / WEIGHTS_FILE
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(InputError, match="cannot be read"):
        load_generator(folder)


def test_an_unknown_version_is_refused(saved):
    folder, _ = saved
    content = json.loads((folder / CONFIG_FILE).read_text()) | {"version": 99}
    (folder / CONFIG_FILE).write_text(json.dumps(content))
    with pytest.raises(InputError, match="version 99; this release reads"):
        load_generator(folder)


def test_training_state_comes_back(tmp_path):
    state = {"step": 7, "weights": {"a": torch.arange(3)}, "rows": [{"key": "x", "value": 0.5}]}
    save_training_state(tmp_path, state)
    loaded = load_training_state(tmp_path)
    assert loaded["step"] == 7
    assert loaded["rows"] == state["rows"]
    assert torch.equal(loaded["weights"]["a"], torch.arange(3))


def test_truncated_training_state_is_a_clear_error(tmp_path):
    save_training_state(tmp_path, {"a": torch.rand(1000)})
    file = tmp_path / TRAINING_FILE
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(InputError, match="cannot be read"):
        load_training_state(tmp_path)
