"""Filling a unit: its pictures are read, filled and written side by side, then its rows."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from pipelines.bulk.attempts import Attempt
from pipelines.bulk.batching import Passes, fill_all
from pipelines.bulk.collection import Collection, unanswered
from pipelines.bulk.config import InpaintConfig
from pipelines.bulk.masking import Item
from pipelines.bulk.pictures import (
    OpenPicture,
    failed_row,
    mask_name,
    open_picture,
    result_name,
)
from pipelines.bulk.prefetching import prefetched
from pipelines.bulk.results import DONE, Row, encode_rows, part_path, read_part
from pipelines.codec import CodecError
from pipelines.confinement import Roots
from pipelines.storage import explained_writes, is_local, open_filesystem, write_atomically
from pipelines.tasks import require_fitting

_THREADS = 4
"""Threads that read and decode, and as many that encode and write, while the network computes."""

Given = TypeVar("Given")
Made = TypeVar("Made")


class UnitFiller:
    """Fills units of a job, one after the other.

    Results are written as they are filled, the unit's rows last: a unit whose part is there is
    finished. One that is filled again writes the same bytes.
    """

    def __init__(
        self, config: InpaintConfig, collection: Collection, passes: Passes, *, start: str
    ) -> None:
        """Take a job, its pictures, how passes are made, and what tells this start from others."""
        self._start = start
        self._config = config
        self._collection = collection
        self._passes = passes
        self._within = Roots(config.within) if config.within else None
        self._filesystem, self._folder = open_filesystem(config.output)

    def fill(self, unit: int, indices: Sequence[int]) -> list[Row]:
        """Fill the pictures of a unit that are not filled yet, and write its part.

        Args:
            unit: its number.
            indices: its pictures' places in the collection.

        Returns:
            a row for each picture, in their order.

        Raises:
            InputError: the output cannot be written, or the storage of the pictures does not
                answer.

        """
        attempt = Attempt(self._filesystem, self._folder, unit, start=self._start)
        rows = {
            index: row
            for index, row in zip(indices, read_part(self._config.output, unit), strict=False)
            if row["status"] == DONE
        }
        for index in attempt.left_out:
            rows[index] = self._failed(self._collection.item(index), _died())
        rows |= self._fill_pictures([index for index in indices if index not in rows], attempt)
        ordered = [rows[index] for index in indices]
        self._write(part_path(unit), encode_rows(ordered))
        attempt.end()
        return ordered

    def _fill_pictures(self, indices: Sequence[int], attempt: Attempt) -> dict[int, Row]:
        """Fill pictures; of each its row."""
        rows: dict[int, Row] = {}
        ahead = 2 * self._config.max_batch

        def opened(threads: Executor) -> Iterator[OpenPicture]:
            found_all = _each(partial(self._open, attempt), indices, threads, attempt, ahead)
            for index, found in found_all:
                if isinstance(found, OpenPicture):
                    yield found
                else:
                    rows[index] = found

        with ThreadPoolExecutor(_THREADS) as reading, ThreadPoolExecutor(_THREADS) as writing:
            filled = fill_all(opened(reading), self._passes)
            rows.update(_each(partial(self._finish, attempt), filled, writing, attempt, _THREADS))
        return rows

    def _open(self, attempt: Attempt, index: int) -> tuple[int, OpenPicture | Row]:
        """Read and decode a picture, or say why it cannot be."""
        item = self._collection.item(index)
        with attempt.holding(index):
            try:
                picture = open_picture(self._collection, item, self._config)
                for region in picture.regions:
                    require_fitting(
                        region.hole,
                        context=self._passes.generator.context,
                        max_region_pixels=self._config.max_region_pixels,
                    )
                return index, picture
            except OSError as error:  # no picture's fault
                raise unanswered(item.entry.key, error) from error
            except Exception as error:  # noqa: BLE001 (one picture stops no other)
                return index, self._failed(item, error)

    def _finish(self, attempt: Attempt, picture: OpenPicture) -> tuple[int, Row]:
        """Encode and write a filled picture, or say why it cannot be."""
        item = picture.item
        with attempt.holding(item.index):
            try:
                encoded = picture.encoded(self._config)
                name = result_name(item, encoded.media_type)
                self._require_inside(name)
            except Exception as error:  # noqa: BLE001 (as above; nothing is written here yet)
                return item.index, self._failed(item, error)
        try:
            self._write(name, encoded.data)
        except CodecError as error:
            return item.index, self._failed(item, error)
        return item.index, picture.row(mask_name(self._collection, item), name)

    def _failed(self, item: Item, error: Exception) -> Row:
        return failed_row(item, mask_name(self._collection, item), error)

    def _require_inside(self, name: str) -> None:
        """Refuse to write through a link that leads out of where the job may write."""
        if self._within is None or not is_local(self._filesystem):
            return
        if not self._within.contains(f"{self._folder}/{name}"):
            raise CodecError("unsafe_name", f"{name} would be written through a link, elsewhere")

    def _write(self, name: str, data: bytes) -> None:
        """Write a file below the output.

        Raises:
            CodecError: its name is too long.
            InputError: the output cannot be written to.

        """
        with explained_writes(self._config.output):
            try:
                write_atomically(self._filesystem, f"{self._folder}/{name}", data)
            except OSError as error:
                if error.errno != errno.ENAMETOOLONG:
                    raise
                raise CodecError("unsafe_name", "its name is too long; rename it") from error


def _each(
    function: Callable[[Given], Made],
    items: Iterable[Given],
    threads: Executor,
    attempt: Attempt,
    ahead: int,
) -> Iterator[Made]:
    """Yield what a function makes of items, in their order: by threads, or with care in turn."""
    if attempt.careful:
        return map(function, items)
    return prefetched(threads, function, items, ahead=ahead)


def _died() -> CodecError:
    return CodecError("crashed", "the process died over it, each time; look at the file")
