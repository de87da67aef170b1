"""Files: found data sets, whole writes, hashes."""

from __future__ import annotations

import errno
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from vitruvian.core.errors import InputError


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a path to write to, and move it to `path` once the block ends without an error.

    The file appears under its name whole or not at all: it is written beside its place, with the
    same suffix (writers choose their format by it), and renamed.

    Raises:
        InputError: the folder cannot be written, or the disk is full.
    """
    path = Path(path)
    try:
        handle, name = tempfile.mkstemp(prefix=".part-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise InputError(f"Cannot write {path}: {error.strerror}.") from error
    part = Path(name)
    try:
        yield part
        umask = os.umask(0)
        os.umask(umask)
        part.chmod(0o666 & ~umask)  # mkstemp makes a private file
        part.replace(path)
    except OSError as error:
        raise InputError(f"Cannot write {path}: {error.strerror or error}.") from error
    finally:
        part.unlink(missing_ok=True)


def lock_file(path: Path, out: Path) -> IO[bytes]:
    """A lock that the system lets go of when the process ends, however it ends.

    Args:
        path: The file to lock; made where it is absent.
        out: The folder that it guards, for the sentence.

    Raises:
        InputError: another process holds it.
    """
    file = path.open("ab")
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
            file.close()
            raise InputError(
                f"Another run is writing to {out}: wait for it, or choose another --out."
            ) from error
        # A file system without locks: go on without one.
    return file


def sha256(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def data_root() -> Path:
    """The folder that holds the data sets: `$VITRUVIAN_DATA`, else `../shared/data`."""
    return Path(os.environ.get("VITRUVIAN_DATA") or "../shared/data").expanduser()


def find_data(name: str, root: str | os.PathLike[str] | None = None) -> Path:
    """The folder of the data set `name`.

    Args:
        name: Folder name below the data root, for instance "lsp_extended".
        root: The data set's own folder, where the user gave one; it is taken as it is.

    Raises:
        InputError: there is no such folder.
    """
    folder = Path(root).expanduser() if root else data_root() / name
    if not folder.is_dir():
        raise InputError(
            f"The data set {name!r} is not at {folder}: give its folder (--data.root), or set "
            "VITRUVIAN_DATA to the folder that holds the data sets."
        )
    return folder
