"""Putting large files and folders in their place in one step, so that nobody ever sees half of one."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from sdkit.errors import ModelError


@contextmanager
def new_file(path: Path, size: int, *, overwrite: bool) -> Generator[BinaryIO]:
    """A stream to write a file of `size` bytes to, which gets its name when all of it is on the disk; nothing is left
    if the body raises.

    Raises ModelError if the file is there already, if there is no room for it, or if it cannot be written.
    """
    _check_free(path, overwrite)
    temporary = path.with_name(f".{secrets.token_hex(8)}.sdkit-part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _check_room(path, size)
        with temporary.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        if overwrite:
            temporary.replace(path)
        else:
            _move_if_free(temporary, path)
    except FileExistsError:
        if os.path.lexists(path):
            raise _taken(path) from None
        raise ModelError(f"cannot write {path}: a file is in the way of one of its folders") from None
    except OSError as error:
        raise ModelError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path, size: int, *, overwrite: bool) -> Generator[Path]:
    """A folder to write `size` bytes of files into, which gets its name at the end; nothing is left if the body raises.

    Only a model in diffusers' layout is ever overwritten. Raises ModelError as `new_file` does.
    """
    _check_free(path, overwrite)
    if path.exists() and not (path / "model_index.json").is_file():
        raise ModelError(f"{path} is there already and is no model in diffusers' layout; choose another name")
    temporary = path.with_name(f".{secrets.token_hex(8)}.sdkit-part")
    old = path.with_name(f"{temporary.name}-old")
    try:
        temporary.mkdir(parents=True)
        _check_room(path, size)
        yield temporary
        if path.exists():
            path.rename(old)
        temporary.rename(path)
    except OSError as error:
        raise ModelError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if old.exists() and not path.exists():  # the second rename failed
            old.rename(path)
        shutil.rmtree(old, ignore_errors=True)


def _check_free(path: Path, overwrite: bool) -> None:
    if not overwrite and os.path.lexists(path):
        raise _taken(path)


def _check_room(path: Path, size: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if free < size:
        raise ModelError(f"cannot write {path}: it needs {size / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free there")


def _taken(path: Path) -> ModelError:
    return ModelError(f"{str(path)!r} exists already; choose another name, or overwrite it with overwrite=True")


def _move_if_free(temporary: Path, path: Path) -> None:
    """Give the file its name unless the name is taken, in one step. Raises FileExistsError."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # no hard links here (FAT, some network drives): reserve the name, then replace our own empty file
        path.open("xb").close()
        try:
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                path.unlink()
            raise
