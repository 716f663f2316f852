"""What a job is about to do, and what is refused before anything is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from isnet.config import InputError, ReconstructionConfig
from pipelines import inpaint
from pipelines.bulk.config import InpaintConfig
from pipelines.bulk.output import claim_output
from pipelines.bulk.results import encode_rows, part_path
from pipelines.bulk.survey import survey
from pipelines.cli import run_main
from tests.pipelines.evaluation.checkpoints import UNBOUNDED, write_checkpoint

Configured = Callable[..., InpaintConfig]


def refusal(config: InpaintConfig) -> str:
    with pytest.raises(InputError) as caught:
        survey(config)
    assert "\n" not in str(caught.value)
    assert not Path(config.output).exists()
    return str(caught.value)


def test_it_says_what_there_is_to_do(photos, configured, tmp_path):
    (tmp_path / "masks/b/001.png").unlink()
    found = survey(configured())
    lines = found.plan()
    assert lines[0] == f"model {found.config.checkpoint} ({found.version})"
    assert lines[1:] == [
        f"12 pictures in {photos}",
        "1 of them have no mask, and will fail",
        f"results would go to {tmp_path}/out",
    ]
    assert not (tmp_path / "out").exists()


def test_it_says_what_a_shipped_model_may_be_used_for(photos, configured):
    found = survey(configured(checkpoint="isnet-small"))
    licence = "weights for research only, see LICENSE in isnet/weights/isnet-small"
    assert found.plan()[0] == f"model isnet-small ({found.version}); {licence}"


def test_it_says_what_an_earlier_start_has_filled(photos, configured, tmp_path):
    found = survey(configured())
    claim_output(found.config.output, found.identity)
    part = tmp_path / "out" / part_path(0)
    part.parent.mkdir()
    part.write_bytes(encode_rows([{"input": str(n), "status": "done"} for n in range(7)]))
    assert found.plan()[-1] == "7 of them are filled already, by an earlier start"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"actors": "many"}, "actors is 'many'; give a number"),
        ({"checkpoint": "{folder}/gone"}, "{folder}/gone"),
        ({"input": "{folder}/gone"}, "--input {folder}/gone does not exist; check the spelling"),
        ({"input": "{folder}/empty"}, "--input {folder}/empty holds no pictures"),
        ({"input": "{folder}/photos/*.bmp"}, "--input {folder}/photos/*.bmp holds no pictures"),
        ({"masks": "{folder}/others"}, "--masks {folder}/others has no mask for any picture"),
        ({"masks": "{folder}/photos"}, "--mask-suffix is empty"),
        ({"mask_suffix": "_m"}, "give --mask-suffix"),
        ({"output": "{folder}/photos/out"}, "--output {folder}/photos/out lies in --input"),
        ({"output": "{folder}/masks/out"}, "--output {folder}/masks/out lies in --masks"),
        ({"within": ("{folder}/masks",)}, "--input {folder}/photos lies outside"),
        ({"within": ("{folder}/photos",)}, "--masks {folder}/masks lies outside"),
        (
            {"within": ("{folder}/photos", "{folder}/masks")},
            "--output {folder}/out lies outside the folders that may be used",
        ),
    ],
)
def test_what_cannot_be_done_is_refused(changes, said, photos, configured, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "others").mkdir()
    (tmp_path / "masks/a/000.png").rename(tmp_path / "others/x.png")

    def placed(value: object) -> object:
        if isinstance(value, tuple):
            return tuple(map(placed, value))
        return str(value).format(folder=tmp_path)

    changes = {name: placed(value) for name, value in changes.items()}
    assert said.format(folder=tmp_path) in refusal(replace(configured(), **changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"precision": "int8"}, "precision int8 is for the backend openvino"),
        ({"backend": "openvino", "device": "gpu"}, "OpenVINO computes on a CPU, not on cuda"),
    ],
)
def test_what_the_backend_cannot_do_is_refused_before_anything_is_read(changes, said, configured):
    gone = {"checkpoint": "/gone", "input": "/gone"}
    assert said in refusal(replace(configured(), **gone, **changes))


def test_int8_is_refused_for_a_network_that_cannot_have_it(photos, configured, tmp_path, capsys):
    bounded = survey(configured(backend="openvino", precision="int8"))
    assert "12 pictures" in bounded.lines()[1]
    checkpoint = write_checkpoint(tmp_path / "base", config=UNBOUNDED)
    words = {"checkpoint": checkpoint, "input": photos, "masks": tmp_path / "masks"}
    words |= {"output": tmp_path / "out", "backend": "openvino", "precision": "int8"}
    with pytest.raises(SystemExit, match="2"):
        run_main(inpaint.main, [f"--{name}={value}" for name, value in words.items()])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: precision int8 needs activations between -1 and 1")


@pytest.mark.parametrize(
    "changes",
    [
        {"strategy": "crop"},
        {"scale": 128},
        {"format": "png"},
        {"quality": 80},
        {"precision": "bf16"},
        {"backend": "compile"},
        {"max_batch": 4},
        {"max_pixels": 1000},
        {"max_region_pixels": 1000},
        {"mask_polarity": "black-hole"},
        {"cpus_per_actor": 2},
        {"reconstruction": ReconstructionConfig(threshold=0.1)},
        {"masks": "alpha"},
        {"masks": "chroma:00ff00"},
    ],
)
def test_what_the_results_follow_from_makes_another_job(changes, photos, configured):
    assert survey(configured(**changes)).identity != survey(configured()).identity


def test_another_model_makes_another_job(photos, configured, tmp_path):
    other = write_checkpoint(tmp_path / "other", seed=1)
    identity = survey(replace(configured(), checkpoint=str(other))).identity
    assert identity != survey(configured()).identity


def test_the_tolerance_of_a_colour_makes_another_job(photos, configured):
    tolerances = [
        survey(configured(masks="chroma:00ff00", chroma_tolerance=tolerance)).identity
        for tolerance in (8, 9)
    ]
    assert tolerances[0] != tolerances[1]


def test_another_pairing_makes_another_job(photos, configured, tmp_path):
    before = survey(configured()).identity
    mask = tmp_path / "masks/a/000.png"
    mask.rename(mask.with_name("nobody.png"))
    assert survey(configured()).identity != before


@pytest.mark.parametrize(
    "changes", [{"actors": "1,4"}, {"niceness": 19}, {"max_failures": 3}, {"output": "/elsewhere"}]
)
def test_how_and_where_a_job_runs_makes_no_other_job(changes, photos, configured):
    assert survey(configured(**changes)).identity == survey(configured()).identity
