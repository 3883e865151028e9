"""Pull from a Hub mirror that others wrote: ``olah`` serving a local git repository, with the unmodified client.

``olah-cli`` is looked for beside Python, where ``.[test]`` puts it, and on the path; ``WZROI_OLAH`` names another.
Without it the test is skipped; the loopback Hub of ``hub_server`` covers the same requests.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import zoo
from tests.support.hub_server import point_client
from tests.support.zoo_runs import JUDGE, write_judge_run, write_link_run
from training.fit.publish import publish

BESIDE = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
OLAH = os.environ.get("WZROI_OLAH") or shutil.which("olah-cli", path=BESIDE)
NAME = "deepjscc_wz_roi.rec_r16_lite"

pytestmark = pytest.mark.skipif(not OLAH or not shutil.which("git"), reason="no olah-cli: pip install '.[test]'")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[str]:
    """The address of an offline mirror that holds ``tester/zoo``, a git repository published from untrained runs."""
    repo = tmp_path / "mirrors" / "models" / "tester" / "zoo"
    for folder in (write_judge_run(tmp_path / "runs"), write_link_run(tmp_path / "runs", NAME)):
        publish(folder, repo)
    git = ["git", "-C", str(repo), "-c", "user.name=tester", "-c", "user.email=tester@localhost"]
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "Publish"]):
        subprocess.run([*git, *command], check=True)
    port = _free_port()
    (tmp_path / "olah.toml").write_text(
        f'[basic]\nhost = "127.0.0.1"\nport = {port}\nrepos-path = "{tmp_path / "repos"}"\n'
        f'mirror-netloc = "127.0.0.1:{port}"\nmirrors-path = ["{tmp_path / "mirrors"}"]\n'
        "[accessibility]\noffline = true\n"
    )
    quiet = subprocess.DEVNULL
    server = subprocess.Popen([str(OLAH), "-c", "olah.toml"], cwd=tmp_path, stdout=quiet, stderr=quiet)
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and server.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=30)


def test_pull_from_olah(mirror: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    point_client(monkeypatch, mirror, tmp_path)
    monkeypatch.setenv("WZROI_REPO", "tester/zoo")
    assert zoo.pull(NAME) == [NAME, JUDGE]
    found = zoo.from_pretrained("tester/zoo", NAME, device="cpu")
    assert found.config.width == 8
    with pytest.raises(zoo.ZooError, match="no checkpoint"):
        zoo.pull("deepjscc.rec_r99_lite")
