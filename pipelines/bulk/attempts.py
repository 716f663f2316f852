"""Pictures over which the process dies: found, and left out, so that they stop no other.

A process notes each unit that it begins, and takes the note away at the end. One that finds the
note of two that have died goes picture by picture, and notes each that it reads or writes; the
picture that two such processes have died over is left out. Care alone changes no result. Notes of
an earlier start of the job count for nothing: it may have been killed as a whole.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace

from pyarrow import fs

from isnet.config import InputError
from pipelines.bulk.results import FOLDER
from pipelines.storage import explained_writes, read_bytes, write_atomically

ATTEMPTS = f"{FOLDER}/attempts"
"""Folder of the notes, below the output."""

_TRUSTING = 2
"""Attempts that go on side by side as ever: a node that is lost is no picture's fault."""

_MOST_ATTEMPTS = 10
"""At a unit, in a start of the job: enough to leave out three pictures that kill the process."""


@dataclass(frozen=True)
class _Note:
    """What earlier attempts at a unit have left."""

    start: str
    """Which start of the job they were of."""
    attempts: int = 0
    in_hand: int | None = None
    """The picture that the last one read or wrote when it died."""
    died_over: tuple[int, ...] = ()
    """Pictures that earlier ones had in hand when they died, each as often."""


class Attempt:
    """One process's attempt at a unit."""

    def __init__(self, filesystem: fs.FileSystem, folder: str, unit: int, *, start: str) -> None:
        """Begin.

        Args:
            filesystem: of the job's output.
            folder: the job's output.
            unit: its number.
            start: tells this start of the job from others.

        Raises:
            InputError: the output cannot be written to, or as many processes have died over the
                unit as may.

        """
        self._filesystem, self._folder, self._start = filesystem, folder, start
        self._path = f"{folder}/{ATTEMPTS}/{unit:07d}.json"
        found = self._read()
        if found.attempts >= _MOST_ATTEMPTS:
            raise InputError(
                f"{_MOST_ATTEMPTS} processes have died over unit {unit}; Ray's log says of what: "
                "too little memory, often, which smaller --max-batch and --max-region-pixels need "
                "less of"
            )
        held = () if found.in_hand is None else (found.in_hand,)
        self._note = _Note(start, found.attempts + 1, died_over=(*found.died_over, *held))
        self._write(self._note)

    @property
    def careful(self) -> bool:
        """Whether one picture must be read or written at a time."""
        return self._note.attempts > _TRUSTING

    @property
    def left_out(self) -> tuple[int, ...]:
        """Pictures over which more than one process has died: another cause is unlikely."""
        deaths = Counter(self._note.died_over)
        return tuple(index for index, times in deaths.items() if times > 1)

    @contextmanager
    def holding(self, index: int) -> Iterator[None]:
        """Note, where care is taken, that a picture is read or written meanwhile."""
        if self.careful:
            self._write(replace(self._note, in_hand=index))
        try:
            yield
        finally:  # which a process that dies does not come to
            if self.careful:
                self._write(self._note)

    def end(self) -> None:
        """Take the note away: the unit is finished."""
        with suppress(FileNotFoundError):  # a process of a killed start may have done it
            self._filesystem.delete_file(self._path)

    def _read(self) -> _Note:
        try:
            content = json.loads(read_bytes(self._filesystem, self._path))
        except FileNotFoundError:
            return _Note(self._start)
        note = _Note(**{**content, "died_over": tuple(content["died_over"])})
        return note if note.start == self._start else _Note(self._start)

    def _write(self, note: _Note) -> None:
        with explained_writes(self._folder):
            write_atomically(self._filesystem, self._path, json.dumps(asdict(note)).encode())
