"""Uploading pictures: one picture, or a left and a right one."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Protocol

import streamlit as st

from explorer.compute.pair_sources import SIZES, UPLOADS, SourceError, upload_pair
from zoo.image_io import Picture, PictureError, load_pictures, notes_of

DEFAULT_SIZE = 64


class File(Protocol):
    """A file from Streamlit's uploader."""

    name: str

    def getvalue(self) -> bytes: ...


def read_files(files: Sequence[File], longer: int | None) -> tuple[list[Picture], str]:
    """One or two uploaded pictures, the longer side at most ``longer``, and a title.

    Raises:
        PictureError: more than two files, a file that is not a picture, or two of different sizes.
    """
    if len(files) > 2:
        raise PictureError(f"{len(files)} files were uploaded: choose one picture, or a left and a right one")
    blobs = [file.getvalue() for file in files]
    names = [file.name[:60] for file in files]
    return load_pictures(blobs, names, longer), " and ".join(names)


def keep(files: Sequence[File], longer: int) -> str:
    """Read uploaded files and store their pair; returns its key. Raises PictureError or another ValueError."""
    pictures, title = read_files(files, longer)
    right = pictures[1].pixels if len(pictures) == 2 else None
    pair, source = upload_pair(pictures[0].pixels, right, longer)
    return UPLOADS.put(pair, title, source, notes_of(pictures))


def forget(keys: list[str]) -> None:
    """Drop a visit's uploads."""
    for key in keys:
        UPLOADS.drop(key)
    keys.clear()


def choose(kept: list[str]) -> str | None:
    """Draw the widgets; returns the key of the upload, ``None`` until there is one. ``kept``: keys of this visit."""
    left, right = st.columns([3, 1])
    files = left.file_uploader(
        "One picture, or a left and a right one of the same size (the left one is sent)", accept_multiple_files=True,
        key="files",
    )
    size = right.selectbox(
        "Longer side, pixels", SIZES, index=SIZES.index(DEFAULT_SIZE), key="upload_size",
        help="The networks and the judge were trained at 32; larger pictures look better and take longer.",
    )
    if not files:
        return None
    mark = (tuple(file.file_id for file in files), size)
    if st.session_state.get("upload_mark") != mark:
        _replace(files, size, kept, mark)
    if message := st.session_state.get("upload_error"):
        st.error(message, icon=":material/broken_image:")
        return None
    if kept:
        show_notes(kept[-1])
    return kept[-1] if kept else None


def show_notes(key: str) -> None:
    """What was assumed about the pictures of an upload, if anything."""
    with contextlib.suppress(SourceError):  # gone: who asks for its pixels says so
        if notes := UPLOADS.get(key).notes:
            st.caption("Read with assumptions: " + "; ".join(notes) + ".")


def _replace(files: Sequence[File], size: int, kept: list[str], mark: tuple[object, int]) -> None:
    st.session_state.upload_mark, st.session_state.upload_error = mark, ""
    forget(kept)
    try:
        kept.append(keep(files, size))
    except ValueError as error:
        st.session_state.upload_error = str(error)
