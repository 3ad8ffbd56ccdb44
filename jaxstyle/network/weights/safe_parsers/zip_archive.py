"""Zip files of doubtful origin: every size is bounded before anything is read."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import numpy as np

from jaxstyle.errors import WeightFileError
from jaxstyle.network.weights.safe_parsers.refusals import shown

_LARGEST_DIRECTORY = 2**18
_LOCAL_HEADER = 30
_ENCRYPTED = 1


class _DirectoryFirst:
    """A file of which little can be read at once until the directory has been read.

    ``zipfile`` reads the whole directory in one go, whatever size the archive claims for it.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.directory_read = file, False
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        if self.directory_read or 0 <= size <= _LARGEST_DIRECTORY:
            return self._file.read(size)
        data = self._file.read(_LARGEST_DIRECTORY + 1)
        if len(data) > _LARGEST_DIRECTORY:
            raise WeightFileError("its zip directory is absurdly large")
        return data


@contextmanager
def open_archive(
    file: IO[bytes], *, compressed: bool
) -> Iterator[tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]]:
    """Check the directory of a zip file, and hand over its members.

    Args:
        compressed: whether members may be deflated; other methods are never allowed.

    Returns:
        The archive and its members by name.

    Raises:
        WeightFileError: two members have one name or share bytes; a member is encrypted,
            compressed in a way that is not allowed, or not all there; the directory is absurdly
            large.
    """
    methods = {zipfile.ZIP_STORED} | ({zipfile.ZIP_DEFLATED} if compressed else set())
    size = file.seek(0, 2)
    with zipfile.ZipFile(source := _DirectoryFirst(file)) as archive:
        source.directory_read = True
        members: dict[str, zipfile.ZipInfo] = {}
        end = 0
        for member in sorted(archive.infolist(), key=lambda member: member.header_offset):
            name = shown(member.filename)
            if member.filename in members:
                raise WeightFileError(f"its zip member {name} is there twice")
            if member.compress_type not in methods or member.flag_bits & _ENCRYPTED:
                raise WeightFileError(f"its zip member {name} is compressed in an unexpected way")
            if member.header_offset < end:
                raise WeightFileError(f"its zip member {name} overlaps another")
            stored = member.compress_type == zipfile.ZIP_STORED
            if stored and member.compress_size != member.file_size:
                raise WeightFileError(f"its zip member {name} has two different sizes")
            end = member.header_offset + _LOCAL_HEADER + len(member.filename) + member.compress_size
            if end > size:
                raise WeightFileError(f"its zip member {name} is cut short")
            members[member.filename] = member
        yield archive, members


def read_whole(archive: zipfile.ZipFile, member: zipfile.ZipInfo, *, limit: int) -> bytes:
    """A small member, checked against its checksum.

    Raises:
        WeightFileError: it is larger than ``limit``, in bytes, or shorter than it says.
    """
    name = shown(member.filename)
    if member.file_size > limit:
        raise WeightFileError(
            f"its zip member {name} has {member.file_size} bytes; {limit} is the limit"
        )
    data = archive.read(member)
    if len(data) != member.file_size:
        raise WeightFileError(f"its zip member {name} is cut short")
    return data


def read_numbers(source: IO[bytes], count: int, dtype: np.dtype) -> np.ndarray:
    """The next ``count`` numbers of an open file or zip member.

    Raises:
        WeightFileError: the file ends before.
    """
    data = source.read(count * dtype.itemsize)
    if len(data) != count * dtype.itemsize:
        raise WeightFileError("it is cut short: download it again")
    return np.frombuffer(data, dtype)
