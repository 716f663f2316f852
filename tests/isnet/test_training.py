"""The GAN step: what it updates, what it refuses, and that it continues exactly."""

from __future__ import annotations

import pytest
import torch

from isnet.config import GeneratorConfig, LossWeights
from isnet.discriminator import build_discriminator
from isnet.finite import NonFiniteLossError
from isnet.initialisation import new_generator, settle_spectral_norms
from tests.isnet.small_training import (
    EQ5_WITHOUT_VGG,
    small_batch,
    small_generator,
    small_trainer,
)


def _copy(network):
    return {name: tensor.clone() for name, tensor in network.named_parameters()}


def _changed(network, before):
    return {
        name for name, tensor in network.named_parameters() if not torch.equal(tensor, before[name])
    }


def test_a_step_updates_both_networks():
    trainer = small_trainer()
    generator, discriminator = _copy(trainer.generator), _copy(trainer.discriminator)
    values = trainer.step(*small_batch())
    assert len(_changed(trainer.generator, generator)) == len(generator)
    assert len(_changed(trainer.discriminator, discriminator)) == len(discriminator)
    assert set(values) == {"l1", "adversarial", "generator", "discriminator", "prediction"}
    assert trainer.step_count == 1


def test_every_term_of_equation_4_is_reported():
    weights = LossWeights(l1=1, adversarial=0.1, perceptual=0.1, style=250, feature_matching=10)
    values = small_trainer(weights).step(*small_batch())
    terms = {name: float(value) for name, value in values.items() if name != "prediction"}
    total = sum(
        getattr(weights, name) * terms[name]
        for name in ("l1", "adversarial", "perceptual", "style", "feature_matching")
    )
    assert terms["generator"] == pytest.approx(total, rel=1e-5)


def test_without_adversarial_terms_the_discriminator_rests():
    trainer = small_trainer(LossWeights(l1=1))
    before = _copy(trainer.discriminator)
    values = trainer.step(*small_batch())
    assert "discriminator" not in values
    assert not _changed(trainer.discriminator, before)


def test_training_lowers_the_pixel_loss():
    trainer = small_trainer(LossWeights(l1=1), generator_lr=3e-3)
    image = torch.full((2, 3, 32, 32), 0.8)
    valid = small_batch()[1]
    losses = [float(trainer.step(image, valid)["l1"]) for _ in range(60)]
    assert losses[-1] < 0.5 * losses[0]


def test_a_non_finite_loss_stops_before_the_optimizer_and_names_the_term():
    trainer = small_trainer()
    image, valid = small_batch()
    generator, discriminator = _copy(trainer.generator), _copy(trainer.discriminator)
    image[0, 0, 0, 0] = float("nan")
    with pytest.raises(NonFiniteLossError, match="'discriminator' is nan at step 1; lower"):
        trainer.step(image, valid)
    assert not _changed(trainer.generator, generator)
    assert not _changed(trainer.discriminator, discriminator)


def test_a_non_finite_generator_term_is_named():
    trainer = small_trainer(LossWeights(l1=1))
    image, valid = small_batch()
    valid[0, 0, 0, 0] = False
    image[0, 0, 0, 0] = float("inf")
    with pytest.raises(NonFiniteLossError, match="'l1' is inf"):
        trainer.step(image, valid)


@pytest.mark.parametrize(
    ("weights", "network"),
    [(LossWeights(l1=1), "generator"), (EQ5_WITHOUT_VGG, "discriminator")],
)
def test_a_non_finite_loss_on_another_rank_stops_this_one(weights, network):
    def mean(tensor):
        return tensor + float("nan") if tensor.ndim else tensor

    trainer = small_trainer(weights, mean=mean)
    first_term = "l1" if network == "generator" else "discriminator"
    before = _copy(getattr(trainer, network))
    with pytest.raises(NonFiniteLossError, match=f"{first_term!r} is nan"):
        trainer.step(*small_batch())
    assert not _changed(getattr(trainer, network), before)


def test_the_pixel_term_uses_the_hole_ratio_of_all_ranks():
    here = small_trainer(LossWeights(l1=1)).step(*small_batch())["l1"]
    halved = small_trainer(
        LossWeights(l1=1), mean=lambda tensor: tensor if tensor.ndim else tensor / 2
    ).step(*small_batch())["l1"]
    assert float(halved) == pytest.approx(2 * float(here), rel=1e-5)


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_continuing_from_a_state_is_exact(tmp_path, ema_decay):
    straight = small_trainer(ema_decay=ema_decay)
    for step in range(4):
        straight.step(*small_batch(step))
        if step == 1:
            torch.save(straight.state_dict(), tmp_path / "state.pt")
    resumed = small_trainer(ema_decay=ema_decay, seed=99)
    resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    for step in (2, 3):
        resumed.step(*small_batch(step))
    assert resumed.step_count == 4
    ours, theirs = resumed.export().state_dict(), straight.export().state_dict()
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())
    discriminator = straight.discriminator.state_dict()
    assert all(
        torch.equal(tensor, discriminator[name])
        for name, tensor in resumed.discriminator.state_dict().items()
    )


def test_exporting_does_not_disturb_training():
    disturbed, straight = small_trainer(ema_decay=0.9), small_trainer(ema_decay=0.9)
    for step in range(3):
        straight.step(*small_batch(step))
        disturbed.step(*small_batch(step))
        disturbed.export()
    theirs = straight.generator.state_dict()
    assert all(
        torch.equal(tensor, theirs[name])
        for name, tensor in disturbed.generator.state_dict().items()
    )


def test_the_export_is_the_average():
    trainer = small_trainer(ema_decay=0.999)
    weights = []
    for step in range(3):
        trainer.step(*small_batch(step))
        weights.append(trainer.generator.stem.shortcut.weight.detach().clone())
    # Decays (1 + n) / (10 + n) at n = 1 and 2 averaged before; the first step is copied.
    expected = weights[0]
    for count, weight in ((1, weights[1]), (2, weights[2])):
        expected = torch.lerp(expected, weight, 1 - (1 + count) / (10 + count))
    torch.testing.assert_close(trainer.export().stem.shortcut.weight, expected)


def test_settled_spectral_norms_are_those_of_the_weights():
    network = build_discriminator(channels=4)
    with torch.no_grad():
        for parameter in network.parameters():
            # One direction stands out, so that the power iterations converge.
            parameter.normal_().add_(1)
    settle_spectral_norms(network)
    for conv in network.convs:
        top = torch.linalg.matrix_norm(conv.weight.detach().flatten(1), ord=2)
        assert float(top) == pytest.approx(1, abs=0.02)


def test_initialisation_is_normal_with_zero_bias():
    config = GeneratorConfig(blocks=1, channels=16)
    generator = new_generator(config, seed=0, initialisation="normal", init_std=0.001)
    weights = torch.cat(
        [
            parameter.flatten()
            for name, parameter in generator.named_parameters()
            if "bias" not in name
        ]
    )
    biases = [parameter for name, parameter in generator.named_parameters() if "bias" in name]
    assert float(weights.detach().std()) == pytest.approx(0.001, rel=0.01)
    assert abs(float(weights.detach().mean())) < 1e-5
    assert not any(bias.any() for bias in biases)


def test_orthogonal_initialisation_keeps_every_direction():
    config = GeneratorConfig(blocks=1, channels=4)
    generator = new_generator(config, seed=0, initialisation="orthogonal", init_std=1.0)
    for conv in (generator.stem.conv1, generator.phases[2].aggregate_low[0]):
        values = torch.linalg.svdvals(conv.weight.detach().flatten(1))
        torch.testing.assert_close(values, torch.ones_like(values), atol=1e-3, rtol=0)


def test_the_same_seed_gives_the_same_network():
    first, second, other = (small_generator(seed) for seed in (1, 1, 2))
    assert torch.equal(first.stem.shortcut.weight, second.stem.shortcut.weight)
    assert not torch.equal(first.stem.shortcut.weight, other.stem.shortcut.weight)


def _large_batch():
    image, valid = small_batch(seed=3)
    return torch.cat([image, image.flip(-1)]), torch.cat([valid, valid.flip(-2)])


@pytest.mark.parametrize("batched_norms", [False, True])
@pytest.mark.parametrize("parts", [2, 4])
@pytest.mark.parametrize("weights", [EQ5_WITHOUT_VGG, LossWeights(l1=1)])
def test_a_batch_in_parts_is_the_same_step(weights, parts, batched_norms):
    whole = small_trainer(weights)
    cut = small_trainer(weights, accumulate=parts, batched_norms=batched_norms)
    for trainer in (whole, cut):
        for _ in range(3):
            values = trainer.step(*_large_batch())
        assert values["prediction"].shape == (4, 3, 32, 32)
    ours, theirs = whole.state_dict(), cut.state_dict()
    for network in ("generator", "discriminator"):
        for name, tensor in ours[network].items():
            torch.testing.assert_close(tensor, theirs[network][name], rtol=1e-2, atol=1e-4)


def test_a_batch_that_cannot_be_cut_is_refused():
    with pytest.raises(ValueError, match="2 images cannot be cut into 4 equal parts"):
        small_trainer(accumulate=4).step(*small_batch())


@pytest.mark.parametrize("batched_norms", [False, True])
def test_warming_up_leaves_no_trace(batched_norms):
    warm, cold = (small_trainer(seed=1, batched_norms=batched_norms) for _ in range(2))
    warm.warm_up(*small_batch())
    for trainer in (warm, cold):
        trainer.step(*small_batch())
    for network in ("generator", "discriminator"):
        for name, tensor in cold.state_dict()[network].items():
            assert torch.equal(tensor, warm.state_dict()[network][name]), name


def test_adam_unfused_takes_the_same_step():
    fused, plain = small_trainer(), small_trainer(fused=False)
    for trainer in (fused, plain):
        trainer.step(*small_batch())
    for name, tensor in fused.generator.named_parameters():
        torch.testing.assert_close(tensor, dict(plain.generator.named_parameters())[name])


@pytest.mark.parametrize(
    "batched_norms",
    [pytest.param(True, marks=pytest.mark.slow), pytest.param(False, marks=pytest.mark.extended)],
)
def test_a_compiled_step_is_the_same_step(batched_norms):
    eager, compiled = small_trainer(), small_trainer(compiled=True, batched_norms=batched_norms)
    for trainer in (eager, compiled):
        for _ in range(2):
            values = trainer.step(*small_batch())
    other = eager.state_dict()["generator"]
    assert compiled.state_dict()["generator"].keys() == other.keys()
    assert torch.isfinite(values["generator"])
    for name, tensor in compiled.state_dict()["generator"].items():
        torch.testing.assert_close(tensor, other[name], rtol=1e-3, atol=1e-4)


def test_weights_that_are_not_finite_are_told_after_the_step():
    trainer = small_trainer()
    trainer.step(*small_batch())
    trainer.require_finite_weights()
    with torch.no_grad():
        next(trainer.discriminator.parameters()).fill_(torch.inf)
    with pytest.raises(NonFiniteLossError, match=r"weights of the discriminator .* after step 1"):
        trainer.require_finite_weights()
