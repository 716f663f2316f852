"""Command lines of the entry points: typed options in, one-line errors out."""

from __future__ import annotations

import difflib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar, get_type_hints

import tyro

# tyro's only way to see a rejected command line before it draws a box on the terminal. The module
# is private: the project pins tyro, and tests/pipelines/test_cli.py covers each kind of event.
from tyro import _errors as tyro_errors

from isnet.config import InputError

Config = TypeVar("Config")

USER_MISTAKE = 2
INTERRUPTED = 130

_RAY_DATA_NOTE = "\nFailed to apply UDF transform"
"""Ray Data appends a paragraph that starts so to the message of what a task raised."""


def run_main(
    main: Callable[[Sequence[str]], int | None], argv: Sequence[str] | None = None
) -> NoReturn:
    """Run an entry point and exit: 0 or what it returns, 2 on a user's mistake, 130 on Ctrl-C.

    An `InputError`, also one that comes back wrapped from a Ray task or worker, is printed as one
    line `error: ...` on stderr. Any other exception is a bug and keeps its traceback.
    """
    try:
        code = main(sys.argv[1:] if argv is None else argv) or 0
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = INTERRUPTED
    except Exception as error:
        mistake = unwrap(error)
        if mistake is None:
            raise
        print(f"error: {one_line(mistake)}", file=sys.stderr)
        code = USER_MISTAKE
    sys.exit(code)


def one_line(message: object) -> str:
    """Fold a message into one line."""
    return " ".join(str(message).split())


def unwrap(error: BaseException) -> InputError | None:
    """Find the user's mistake behind an exception, or None when there is none.

    Ray wraps what a task or worker raises (`RayTaskError`, which also *is* an `InputError` but
    prints the remote traceback; `UserCodeException`; `WorkerGroupError`). Only explicit causes are
    followed: an error that happened while an `InputError` was being handled is a bug.
    """
    waiting: list[BaseException] = [error]
    seen: set[int] = set()
    while waiting:
        current = waiting.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        if isinstance(current, InputError) and not hasattr(current, "cause"):
            message, note, _ = str(current).partition(_RAY_DATA_NOTE)
            return InputError(message) if note else current
        waiting.extend(_causes(current))
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """What an exception stands for: its cause, and what Ray's wrappers carry."""
    carried = [getattr(error, "cause", None), error.__cause__]
    carried += getattr(error, "worker_failures", {}).values()
    carried.append(getattr(error, "controller_failure", None))
    yield from (cause for cause in carried if isinstance(cause, BaseException))


def parse(
    config_class: type[Config],
    argv: Sequence[str],
    *,
    description: str | None,
    default: Config | None = None,
    prog: str | None = None,
) -> Config:
    """Read a frozen dataclass from the command line, `--nested.field value` for nested ones.

    Args:
        config_class: the dataclass; the docstrings under its fields are the help.
        argv: arguments without the program's name.
        description: shown by `--help`; entry points give their module docstring.
        default: an instance whose values stand where the command line says nothing.
        prog: the command's name in the help, e.g. `python pipelines/train.py smoke`.

    Raises:
        InputError: an unknown option, a missing or bad value; the message names it.
        SystemExit: 0, after `--help`.

    """
    with tyro_errors.on_parse_error(lambda event: _reject(event, config_class)):
        return tyro.cli(
            config_class,
            prog=prog or program(),
            description=description,
            args=list(argv),
            default=tyro.MISSING_NONPROP if default is None else default,
        )


def parse_preset(
    presets: Mapping[str, Callable[[], Config]], argv: Sequence[str], *, description: str | None
) -> Config:
    """Read `PRESET [--option value ...]`: a named configuration with single values changed.

    Args:
        presets: functions by name; the first line of each docstring is its help.
        argv: arguments without the program's name.
        description: shown by `--help`.

    Raises:
        InputError: no or an unknown preset, or what `parse` rejects.
        SystemExit: 0, after `--help`.

    """
    if argv and argv[0] in ("-h", "--help"):
        print(_preset_help(presets, description))
        raise SystemExit(0)
    names = ", ".join(presets)
    if not argv or argv[0].startswith("-"):
        raise InputError(f"the first argument names a preset: {names}; see --help")
    name = argv[0]
    if name not in presets:
        raise InputError(f"unknown preset {name!r}; choose one of {names}")
    default = presets[name]()
    return parse(
        type(default),
        argv[1:],
        description=description,
        default=default,
        prog=f"{program()} {name}",
    )


def take_flag(flag: str, argv: Sequence[str]) -> tuple[bool, list[str]]:
    """Take a flag that is no option of a configuration off a command line."""
    rest = [word for word in argv if word != flag]
    return len(rest) < len(argv), rest


def take_option(flag: str, argv: Sequence[str]) -> tuple[str | None, list[str]]:
    """Take an option that is none of a configuration off a command line: its value, and the rest.

    Raises:
        InputError: it has no value.

    """
    rest: list[str] = []
    value: str | None = None
    words = iter(argv)
    for word in words:
        if word == flag:
            value = next(words, "")
        elif word.startswith(f"{flag}="):
            value = word.removeprefix(f"{flag}=")
        else:
            rest.append(word)
    if value is not None and (not value or value.startswith("-")):
        raise InputError(f"{flag} needs a value; see --help")
    return value, rest


def program() -> str:
    """The command as it is typed, e.g. `python pipelines/train.py`."""
    script = Path(sys.argv[0])
    return f"python {script.parent.name}/{script.name}"


def _preset_help(presets: Mapping[str, Callable[[], Any]], description: str | None) -> str:
    """Help without a preset: what the command is, and what the presets are."""
    width = max(map(len, presets))
    lines = [f"usage: {program()} PRESET [--option value ...]", "", (description or "").strip(), ""]
    lines.append("presets:")
    for name, preset in presets.items():
        summary = (inspect.getdoc(preset) or "").partition("\n")[0]
        lines.append(f"  {name.ljust(width)}  {summary}".rstrip())
    example = next(iter(presets))
    lines += ["", f"options of a preset: {program()} {example} --help"]
    return "\n".join(lines)


def _reject(event: tyro_errors.ParseErrorEvent, config_class: type) -> NoReturn:
    """Turn what tyro found wrong into an `InputError`, in place of tyro's box."""
    raise InputError(_message(event, config_class))


def _message(event: tyro_errors.ParseErrorEvent, config_class: type) -> str:
    match event:
        case tyro_errors.UnrecognizedArgs(tokens=tokens):
            return _unknown(tokens, config_class)
        case tyro_errors.InstantiationFailure(message=message, argument=None):
            return one_line(message)
        case tyro_errors.InstantiationFailure(message=message, argument=argument):
            # For an optional value tyro appends why each type of the union refused it.
            return f"{_flag(argument)}: {one_line(message.partition('Got errors')[0])}"
        case tyro_errors.InvalidChoice(argument=argument, value=value, choices=choices):
            return f"{_flag(argument)} is {value!r}; choose one of {', '.join(choices)}"
        case tyro_errors.MissingArgs(missing_arguments=missing):
            names = ", ".join(_flag(item.arg) for item in missing)
            return f"missing {names}; see --help"
        case tyro_errors.BadValue(argument=argument):
            return f"{_flag(argument)} needs a value; see --help"
    return f"the options were not understood ({type(event).__name__}); see --help"


def _flag(argument: Any) -> str:
    """How the option is typed."""
    return str(argument.lowered.name_or_flags[-1])


def _unknown(tokens: Sequence[str], config_class: type) -> str:
    """Name the first unknown option, and the known one it resembles."""
    token = tokens[0]
    if not token.startswith("-"):
        return f"unexpected argument {token!r}; options start with --, see --help"
    known = list(_flags(config_class))
    close = difflib.get_close_matches(token.partition("=")[0].replace("_", "-"), known, n=1)
    hint = f"did you mean {close[0]}?" if close else "see --help"
    return f"unknown option {token}; {hint}"


def _flags(config_class: type, prefix: str = "--") -> Iterator[str]:
    """Option names of a dataclass and of the dataclasses in it."""
    hints = get_type_hints(config_class)
    for field in fields(config_class):
        name = prefix + field.name.replace("_", "-")
        inner = hints[field.name]
        if isinstance(inner, type) and is_dataclass(inner):
            yield from _flags(inner, f"{name}.")
        else:
            yield name
