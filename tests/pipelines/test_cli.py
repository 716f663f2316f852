"""Command lines: typed options, presets, one-line errors, what Ray wraps."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import ray
import ray.data
from ray.train.v2.api.exceptions import WorkerGroupError

from isnet.config import Design, InputError, LossConfig
from isnet.images import ImageError
from pipelines.cli import parse, parse_preset, run_main, unwrap
from pipelines.cluster import quiet_data

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of a made-up command."""

    photos: str
    """Folder of photographs."""
    steps: int = 10
    """Optimizer updates."""
    design: Design = "isnet"
    """Network design."""
    ratio_range: tuple[float, float] = (0.1, 0.2)
    """Two numbers."""
    overwrite: bool = False
    """A switch."""
    loss: LossConfig = field(default_factory=LossConfig)
    """A nested configuration."""


def small() -> Options:
    """Ten steps, for a look."""
    return Options(photos="samples")


def large() -> Options:
    """A thousand steps."""
    return replace(small(), steps=1000)


PRESETS = {"small": small, "large": large}


def read(*argv: str) -> Options:
    """Parse without a preset."""
    return parse(Options, argv, description="What it does.")


def choose(*argv: str) -> Options:
    """Parse with a preset."""
    return parse_preset(PRESETS, argv, description="What it does.")


def test_options_are_read_into_the_dataclass() -> None:
    given = ["--photos", "x", "--steps", "3", "--ratio-range", "0.3", "0.4", "--overwrite"]
    expected = Options(photos="x", steps=3, ratio_range=(0.3, 0.4), overwrite=True)
    assert read(*given, "--loss.preset", "eq4") == replace(expected, loss=LossConfig(preset="eq4"))


def test_underscores_are_taken_for_hyphens() -> None:
    assert read("--photos", "x", "--ratio_range", "0.3", "0.4").ratio_range == (0.3, 0.4)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "missing --photos"),
        (["--photos"], "--photos needs a value"),
        (["--photos", "x", "--step", "3"], "unknown option --step; did you mean --steps?"),
        (["--photos", "x", "--loss.styl", "3"], "did you mean --loss.style?"),
        (["--photos", "x", "--zzz=1"], "unknown option --zzz=1; see --help"),
        (["--photos", "x", "y"], "unexpected argument 'y'"),
        (["--photos", "x", "--steps", "many"], "--steps: .*'many'"),
        (["--photos", "x", "--loss.l1", "much"], r"--loss\.l1: .*FLOAT.*'much'"),
        (["--photos", "x", "--design", "vae"], "--design is 'vae'; choose one of isnet, base"),
        (["--photos", "x", "--ratio-range", "1"], "--ratio-range needs a value"),
        (["--photos", "x", "--loss.preset", "eq9"], "^unknown loss preset 'eq9'; choose one of"),
        (["--photos", "x", "--loss.margin", "-1"], "the hinge margin is -1.0; it must be above 0"),
    ],
)
def test_mistakes_are_input_errors_that_name_the_value(argv: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read(*argv)
    assert "\n" not in str(caught.value)


def test_mistakes_draw_no_box(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError):
        read("--photos", "x", "--steps", "many")
    assert capsys.readouterr() == ("", "")


def test_preset_is_the_default_and_options_change_it() -> None:
    assert choose("large") == large()
    assert choose("large", "--loss.l1", "3") == replace(large(), loss=LossConfig(l1=3.0))


@pytest.mark.parametrize("argv", [["huge"], [], ["--steps", "3"]])
def test_without_a_known_preset_the_names_are_listed(argv: list[str]) -> None:
    with pytest.raises(InputError, match="small, large"):
        choose(*argv)


@pytest.mark.parametrize("argv", [["--help"], ["-h"], ["large", "--help"]])
def test_help_shows_the_description_and_exits_with_0(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        choose(*argv)
    assert caught.value.code in (0, None)
    assert "What it does." in capsys.readouterr().out


def test_help_lists_presets_with_their_first_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        choose("--help")
    assert "large  A thousand steps." in capsys.readouterr().out


def test_help_of_a_preset_shows_its_values(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        choose("large", "--help")
    output = capsys.readouterr().out
    assert "Optimizer updates. (default: 1000)" in output
    assert "--loss.preset" in output


def exit_of(error: BaseException | None, code: int | None = None) -> object:
    """Exit code of an entry point that raises `error` or returns `code`."""

    def main(argv: object) -> int | None:
        if error is not None:
            raise error
        return code

    with pytest.raises(SystemExit) as caught:
        run_main(main, [])
    return caught.value.code


def test_a_users_mistake_is_one_line_and_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_of(InputError("--size is 7;\n use 16")) == 2
    assert capsys.readouterr().err == "error: --size is 7; use 16\n"


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ValueError, match="a bug"):
        run_main(lambda argv: (_ for _ in ()).throw(ValueError("a bug")), [])


@pytest.mark.parametrize(("code", "expected"), [(None, 0), (0, 0), (3, 3)])
def test_exit_code_is_what_main_returns(code: int | None, expected: int) -> None:
    assert exit_of(None, code) == expected


def test_interrupt_exits_130() -> None:
    assert exit_of(KeyboardInterrupt()) == 130


def test_arguments_come_from_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["x.py", "a", "b"])
    seen: list[str] = []
    with pytest.raises(SystemExit):
        run_main(lambda argv: seen.extend(argv))
    assert seen == ["a", "b"]


def test_unwrap_follows_explicit_causes() -> None:
    error = RuntimeError()
    error.__cause__ = InputError("the value")
    assert unwrap(error) is error.__cause__


def test_a_bug_while_handling_a_mistake_stays_a_bug() -> None:
    error = RuntimeError()
    error.__context__ = InputError("the value")
    assert unwrap(error) is None


def test_unwrap_keeps_the_outermost_message() -> None:
    error = InputError("what to do")
    error.__cause__ = InputError("detail")
    assert unwrap(error) is error


def test_unwrap_ends_on_a_circle() -> None:
    first, second = RuntimeError(), RuntimeError()
    first.__cause__, second.__cause__ = second, first
    assert unwrap(first) is None


def test_unwrap_finds_a_train_workers_mistake() -> None:
    failure = WorkerGroupError("rank 1 failed", {1: InputError("the value")})
    assert str(unwrap(failure)) == "the value"


def fail_on_purpose(batch: object = None) -> None:
    """Raise what a user's mistake in a task raises."""
    raise ImageError("the picture is 3 GB")


def break_on_purpose(batch: object = None) -> None:
    """Raise what a bug in a task raises."""
    raise ValueError("a bug")


@pytest.mark.ray
@pytest.mark.usefixtures("ray_session")
def test_unwrap_finds_a_ray_tasks_mistake() -> None:
    with pytest.raises(ray.exceptions.RayTaskError) as caught:
        ray.get(ray.remote(fail_on_purpose).remote())
    assert str(unwrap(caught.value)) == "the picture is 3 GB"


@pytest.mark.ray
@pytest.mark.usefixtures("ray_session")
def test_unwrap_finds_a_ray_data_callables_mistake() -> None:
    quiet_data()
    with pytest.raises(ray.exceptions.RayTaskError) as caught:
        ray.data.range(2, override_num_blocks=1).map_batches(fail_on_purpose).materialize()
    assert str(unwrap(caught.value)) == "the picture is 3 GB"


@pytest.mark.ray
@pytest.mark.usefixtures("ray_session")
def test_unwrap_leaves_bugs_in_tasks_alone() -> None:
    with pytest.raises(ray.exceptions.RayTaskError) as caught:
        ray.get(ray.remote(break_on_purpose).remote())
    assert unwrap(caught.value) is None


def test_a_real_entry_point_prints_one_line_and_no_traceback() -> None:
    command = [sys.executable, "pipelines/prepare.py", "--photos", "nowhere", "--output", "x"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stderr == "error: --photos nowhere does not exist; check the spelling\n"
