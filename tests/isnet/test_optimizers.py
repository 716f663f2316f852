"""The averaged weights against PyTorch's own, and the step that may be left out."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.optim.swa_utils import AveragedModel

from isnet.config import OptimizerConfig
from isnet.optimizers import adam, averaged, step_unless
from tests.isnet.small_training import small_generator


def test_the_average_is_the_one_that_pytorch_keeps():
    def average(averages, current, count):
        steps = float(count)
        weight = 1 - min(0.9, (1 + steps) / (10 + steps))
        torch._foreach_lerp_(list(averages), list(current), weight)

    network = small_generator(0)
    ours, theirs = averaged(network, 0.9), AveragedModel(network, multi_avg_fn=average)
    for step in range(3):
        torch.manual_seed(step)
        for tensor in (*network.parameters(), *network.buffers()):
            tensor.data.normal_()
        ours.update_parameters(network)
        theirs.update_parameters(network)
    found, expected = ours.state_dict(), theirs.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


@pytest.mark.parametrize("fused", [True, False])
def test_an_unfit_step_changes_nothing_and_a_fit_one_is_adams(fused):
    network = small_generator(0)
    plain = copy.deepcopy(network)
    config = OptimizerConfig(fused=fused)
    ours, theirs = adam(network, config, 1e-2), adam(plain, config, 1e-2)
    for unfit in (0.0, 1.0, 0.0):
        for parameters in (network.parameters(), plain.parameters()):
            torch.manual_seed(0)
            for parameter in parameters:
                parameter.grad = torch.randn_like(parameter)
        if not unfit:
            theirs.step()
        elif fused:
            next(network.parameters()).grad.fill_(torch.nan)
        step_unless(ours, torch.tensor(unfit))
        assert all(parameter.grad is None for parameter in network.parameters())
        assert all(map(torch.equal, network.parameters(), plain.parameters()))
    found, expected = ours.state_dict()["state"], theirs.state_dict()["state"]
    for number, state in expected.items():
        assert all(torch.equal(found[number][name], tensor) for name, tensor in state.items())
