"""What a host's environment must allow before a command or a server starts; each fault is one sentence."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from zoo.errors import ZooError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def exempt_loopback() -> None:
    """Add this machine to ``$NO_PROXY`` where a proxy is set: a server that asks its own address must reach it."""
    if not any(os.environ.get(name) for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY",
                                                 "all_proxy")):  # fmt: skip
        return
    given = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    listed = [name.strip() for name in given.split(",") if name.strip()]
    if "*" not in listed:
        listed += [name for name in LOOPBACK if name not in listed]
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = ",".join(listed)


def missing_certificates() -> str | None:
    """The sentence for a variable that names certificates which are not there; ``None`` where all is well."""
    for name in CERTIFICATES:
        given = os.environ.get(name)
        if given and not Path(given).exists():
            return f"{name}={given} does not exist, so no secure connection can be made: correct it, or unset it"
    return None


def check_certificates() -> None:
    """Raise ZooError where ``missing_certificates`` has a sentence."""
    if sentence := missing_certificates():
        raise ZooError(sentence)


def writable(folder: Path) -> bool:
    """Whether files can be made in a folder, which is made first where it is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def gradio_folder(variable: str = "GRADIO_TEMP_DIR") -> Path:
    """Where Gradio keeps uploads and answers: ``$GRADIO_TEMP_DIR``, else ``gradio`` among the temporary files.

    That one is shared by all users of a machine; where another one owns it, this process gets a folder of its own.

    Raises:
        ZooError: where nothing can be written to ``$GRADIO_TEMP_DIR``.
    """
    given = os.environ.get(variable)
    folder = Path(given) if given else Path(tempfile.gettempdir()) / "gradio"
    if not writable(folder):
        if given:
            raise ZooError(f"{variable}={given} cannot be written: correct its permissions, or name another folder")
        folder = Path(tempfile.mkdtemp(prefix="wzroi-gradio-"))
    os.environ[variable] = str(folder)
    return folder


def expanded(path: Path | str) -> Path:
    """A path with ``~`` replaced by the home folder; raises ZooError where this user has none."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ZooError(f"{path}: this user has no home folder: set HOME, or name the whole path") from error
