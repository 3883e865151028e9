"""Downloading CIFAR-10 with torchvision in a separate process, so that it can be monitored and cancelled."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from wzroi.data import FOLDER, default_root

ARCHIVE = "cifar-10-python.tar.gz"
ARCHIVE_BYTES = 170_498_071
COMMAND = "import sys; from torchvision.datasets import CIFAR10; CIFAR10(sys.argv[1], train=False, download=True)"


class Download:
    """One download per server process; starting it again joins the running one.

    ``command`` is Python code that puts ``cifar-10-batches-py`` into the folder it is given.
    """

    def __init__(self, root: Path | None = None, command: str = COMMAND) -> None:
        self._root, self._command = root, command
        self._process: subprocess.Popen[str] | None = None
        self._folder: Path | None = None
        self._lock = threading.Lock()
        self.message = ""

    @property
    def root(self) -> Path:
        """The folder that will contain the data set."""
        return self._root or default_root()

    @property
    def running(self) -> bool:
        """Whether the process is running."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start, unless it is already running."""
        with self._lock:
            if self._process is not None:
                return
            try:
                self.root.mkdir(parents=True, exist_ok=True)
                self._folder = Path(tempfile.mkdtemp(prefix=".download-", dir=self.root))
            except OSError as error:
                self.message = f"{self.root} cannot be written ({error.strerror}): name another folder with WZROI_DATA"
                return
            self.message = ""
            self._process = subprocess.Popen(
                [sys.executable, "-c", self._command, str(self._folder)],
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            )

    def progress(self) -> float:
        """Share of the archive that has arrived, 0 to 1."""
        archive = self._folder / ARCHIVE if self._folder else None
        try:
            return min(1.0, archive.stat().st_size / ARCHIVE_BYTES) if archive else 0.0
        except OSError:
            return 0.0

    def finish(self) -> bool:
        """Move a completed download into place; returns whether the data set is now available."""
        with self._lock:
            process, folder = self._process, self._folder
            if process is None or folder is None or process.poll() is None:
                return False
            fetched, self._process, self._folder = folder / FOLDER, None, None
            done = process.returncode == 0 and fetched.is_dir()
            if done and not (self.root / FOLDER).exists():
                fetched.rename(self.root / FOLDER)
            elif not done:
                self.message = _reason(process)
            shutil.rmtree(folder, ignore_errors=True)
            return done

    def cancel(self) -> None:
        """Stop, and leave no partial files behind."""
        with self._lock:
            if self._process is not None:
                self._process.kill()
                self._process.wait()
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
            self._process = self._folder = None
            self.message = "The download was cancelled."


def _reason(process: subprocess.Popen[str]) -> str:
    lines = (process.stderr.read() if process.stderr else "").strip().splitlines()
    last = lines[-1][:160] if lines else f"exit code {process.returncode}"
    return f"The download failed ({last}): check the network, or put {FOLDER}/ into {default_root()} yourself."


DOWNLOAD = Download()
