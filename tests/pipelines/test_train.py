"""Training end to end: Ray Data streams, Ray Train trains, MLflow records."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from mlflow.tracking import MlflowClient

from isnet.checkpoint import load_generator, read_about, save_generator
from isnet.config import DiscriminatorConfig, GeneratorConfig, InputError, LossConfig
from isnet.network import generator_from_config
from pipelines import train
from pipelines.shards import read_manifest
from pipelines.tracking.runs import TrackingConfig
from pipelines.training.checkpoints import best, newest
from pipelines.training.config import TrainConfig, smoke

SMALL = GeneratorConfig(blocks=1, channels=2)


@pytest.fixture
def config(prepared, tracking_uri, tmp_path):
    """Two workers, four steps, every term of Eq. 4 with the random extractor."""
    return train.resolve(
        replace(
            smoke(),
            data=prepared,
            output=str(tmp_path / "runs"),
            name="first",
            steps=4,
            num_workers=2,
            batch_size=4,
            generator=SMALL,
            discriminator=DiscriminatorConfig(channels=2),
            loss=LossConfig(preset="eq4", extractor="random"),
            log_every=2,
            validate_every=4,
            validation_images=8,
            checkpoint_every=2,
            tracking=TrackingConfig(uri=tracking_uri),
        )
    )


def _history(config: TrainConfig, key: str) -> list[tuple[int, float]]:
    client = MlflowClient(config.tracking.uri)
    run_id = json.loads((Path(config.output) / "first" / "run.json").read_text())["run_id"]
    return sorted((entry.step, entry.value) for entry in client.get_metric_history(run_id, key))


@pytest.mark.ray
def test_a_run_leaves_a_model_a_record_and_says_when_it_has_finished(config, monkeypatch, capsys):
    run = train.fit(config)
    assert not load_generator(run.model).training
    _assert_recorded(config, run)
    monkeypatch.setattr(train, "parse_preset", lambda *_, **__: config)
    before = _versions(config)
    assert train.main([]) == 0
    assert f"run first has finished: its model is {run.model}" in capsys.readouterr().out
    assert _versions(config) == before


@pytest.mark.ray
@pytest.mark.extended
@pytest.mark.parametrize("design", ["base", "unet_like"])
def test_every_kind_of_design_trains_on_two_workers(config, design):
    train.fit(replace(config, generator=replace(SMALL, design=design), steps=2))


@pytest.mark.ray
@pytest.mark.extended
def test_a_batch_in_parts_is_the_same_step_on_two_workers(config):
    curves = []
    for parts in (1, 2):
        output = f"{config.output}-{parts}"
        cut = replace(config, output=output, accumulate=parts, precision="fp32", log_every=1)
        train.fit(cut)
        curves.append([value for _, value in _history(cut, "train/generator")])
    assert curves[1] == pytest.approx(curves[0], rel=1e-2)


@pytest.mark.ray
@pytest.mark.slow
def test_rows_that_cannot_be_decoded_are_counted_over_all_workers(config, tmp_path):
    shutil.copytree(config.data, tmp_path / "spoiled")
    manifest = read_manifest(str(tmp_path / "spoiled"))
    sound, *spoiled = manifest.shards("images", "train")
    for shard in spoiled:
        _spoil(tmp_path / "spoiled" / shard.path)
    rows = manifest.rows("images", "train")
    epoch, left_out = divmod(rows, 6)
    assert not left_out
    once = {"steps": epoch, "log_every": epoch, "validate_every": epoch}
    train.fit(replace(config, data=str(tmp_path / "spoiled"), batch_size=6, **once))
    assert rows - sound.rows > rows / 2  # neither worker could have counted them alone
    assert _history(config, "train/undecodable_rows") == [(epoch, rows - sound.rows)]


def _spoil(path):
    table = pq.read_table(path)
    index = table.schema.get_field_index("image")
    pictures = pa.array([b"no picture"] * len(table), pa.binary())
    pq.write_table(table.set_column(index, table.schema.field(index), pictures), path)


@pytest.mark.ray
@pytest.mark.gpu
def test_a_gpu_is_found_and_used_without_being_asked(config, monkeypatch):
    def train_worker(settings):  # in the worker's process
        from torch import distributed

        from pipelines.training import loop

        assert distributed.get_backend() == "nccl"
        return loop.train_worker(settings)

    monkeypatch.setattr("pipelines.training.launch.train_worker", train_worker)
    auto = {"device": "auto", "precision": "auto", "num_workers": "auto", "max_failures": 0}
    run = train.fit(replace(config, **auto))
    assert (run.config.device, run.config.precision) == ("gpu", "bf16")
    losses = [value for _, value in _history(config, "train/l1")]
    assert len(losses) == 2
    assert all(math.isfinite(loss) for loss in losses)


@pytest.mark.ray
@pytest.mark.slow
def test_training_starts_from_a_given_generator(config, tmp_path):
    generator = generator_from_config(SMALL).eval()
    (tmp_path / "start").mkdir()
    save_generator(tmp_path / "start", generator, SMALL)
    slow = replace(config.optimizer, generator_lr=1e-12, ema_decay=0.0)
    run = train.fit(
        replace(
            config,
            num_workers=1,
            steps=2,
            crop_size=16,
            loss=LossConfig(extractor="random", adversarial=0),
            init_from=str(tmp_path / "start"),
            optimizer=slow,
        )
    )
    image = torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(
        load_generator(run.model)(image), generator(image), atol=1e-2, rtol=0
    )


def _assert_recorded(config, run):
    """MLflow holds every term by step, validations, samples, tags and the registered model."""
    for term in ("l1", "adversarial", "perceptual", "style", "feature_matching", "discriminator"):
        assert [step for step, _ in _history(config, f"train/{term}")] == [2, 4]
    assert [step for step, _ in _history(config, "validation/progressive/psnr")] == [4]
    client = MlflowClient(config.tracking.uri)
    record = client.get_run(run.run_id)
    assert record.info.status == "FINISHED"
    assert record.data.params["optimizer.generator_lr"] == str(config.optimizer.generator_lr)
    assert record.data.tags["extractor"] == "vgg16 random substitute"
    assert len(record.data.tags["data_hash"]) == 64
    assert any(item.path.endswith(".png") for item in client.list_artifacts(run.run_id, "images"))
    assert run.run_id in _versions(config).values()


def _versions(config):
    """Run of each registered version."""
    found = MlflowClient(config.tracking.uri).search_model_versions("name = 'isnet'")
    return {version.version: version.run_id for version in found}


@pytest.mark.ray
@pytest.mark.extended
def test_a_loss_that_is_not_finite_ends_the_run_with_its_name(config):
    broken = replace(
        config, num_workers=1, loss=LossConfig(preset="table2-row1", l1=1e38, adversarial=1e38)
    )
    broken = replace(broken, optimizer=replace(broken.optimizer, generator_lr=1e30))
    with pytest.raises(InputError, match=r"loss term '\w+' is (nan|inf|-inf) at step"):
        train.fit(broken)
    run_id = json.loads((Path(config.output) / "first" / "run.json").read_text())["run_id"]
    assert MlflowClient(config.tracking.uri).get_run(run_id).info.status == "FAILED"


@pytest.mark.ray
@pytest.mark.slow
def test_a_loss_that_is_not_finite_once_sends_the_run_back_and_on(config, monkeypatch):
    def train_worker(settings):  # in the workers' processes: the fourth step is spoiled, once
        from isnet.training import GanTrainer
        from pipelines.training import loop

        terms, spoiled = GanTrainer._generator_terms, []

        def spoiling(trainer, *arguments):
            values = terms(trainer, *arguments)
            if trainer.step_count == 3 and not spoiled:
                spoiled.append(True)
                values["generator"] = values["generator"] * float("nan")
            return values

        GanTrainer._generator_terms = spoiling
        try:
            return loop.train_worker(settings)
        finally:
            GanTrainer._generator_terms = terms

    monkeypatch.setattr("pipelines.training.launch.train_worker", train_worker)
    train.fit(replace(config, steps=6, log_every=1, validate_every=6))
    assert [step for step, _ in _history(config, "train/l1")] == [1, 2, 3, 4, 5, 6]
    # Back to the checkpoint of step 2, so that the third step is another one than before.
    assert [value for _, value in _history(config, "train/rollbacks")] == [0, 0, 1, 1, 1, 1]


@pytest.mark.ray
@pytest.mark.extended
def test_training_ends_early_and_publishes_the_best(config, capsys):
    still = replace(config.optimizer, generator_lr=1e-12, ema_decay=0.0)
    early = replace(
        config, num_workers=1, steps=40, validate_every=2, early_stop=2, optimizer=still
    )
    run = train.fit(early)
    assert run.finished
    assert "no better held-out PSNR in 2 validations" in capsys.readouterr().out
    # Nothing is learned, so that rounding alone decides which of the first validations is best.
    stopped_at = newest(run.location).step
    assert 6 <= stopped_at < 40
    assert read_about(run.model)["step"] == best(run.location).step == stopped_at - 4


@pytest.mark.ray
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": "/none"}, "/none does not exist; run pipelines/prepare.py"),
        ({"init_from": "/none"}, "no checkpoint at /none"),
        ({"init_from": "models:/isnet/9"}, "has no usable models:/isnet/9"),
        ({"init_from": "isnet-small"}, "isnet-small is .*'channels': 16.*but the run trains"),
        ({"loss": LossConfig(extractor="vgg19")}, "no vgg19 weights"),
        ({"batch_size": 400, "num_workers": 1}, "fewer than one batch of 400"),
        ({"crop_size": 16}, "training pictures of 16x16 are too small for the discriminator"),
        ({"crop_size": 64}, "crop-size 64 is larger than the pictures of .*, 32x32"),
        ({"device": "gpu"}, "the cluster has 0 GPU.* give --wait"),
        ({"cpus_per_worker": 3}, r"room for 1 worker\(s\) of 3 CPUs, --num-workers is 2"),
    ],
)
def test_what_cannot_work_is_found_before_training(config, change, message):
    with pytest.raises(InputError, match=message):
        train.fit(replace(config, **change))


@pytest.mark.ray
def test_starting_from_another_design_is_refused(config, tmp_path):
    other = GeneratorConfig(design="base", blocks=1, channels=2)
    (tmp_path / "base").mkdir()
    save_generator(tmp_path / "base", generator_from_config(other), other)
    with pytest.raises(InputError, match=r"'design': 'base'.*but the run trains.*'isnet'"):
        train.fit(replace(config, init_from=str(tmp_path / "base")))


def test_dry_run_prints_the_configuration_and_stops(capsys, tmp_path):
    arguments = ["smoke", "--data", "nowhere", "--output", str(tmp_path), "--dry-run"]
    train.main([*arguments, "--loss.preset", "table1-row3", "--loss.style", "5"])
    printed = json.loads(capsys.readouterr().out)
    assert printed["loss"]["preset"] == "table1-row3"
    assert printed["loss"]["style"] == 5
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["other"],
            "unknown preset 'other'; choose one of smoke, small, finetune, places2, celeba",
        ),
        (["smoke", "--loss.preset", "eq6"], "unknown loss preset 'eq6'; choose one of eq4"),
        (["smoke", "--num-workers", "3"], "batch_size is .* 3 workers cannot share"),
        (["smoke", "--tracking.uri", "ftp://x"], "tracking URI 'ftp://x' is of no known kind"),
    ],
)
def test_mistakes_on_the_command_line_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        train.main([*arguments, "--dry-run"])
