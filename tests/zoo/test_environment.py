"""Environments of real hosts: proxies, folders of other users, no home, missing certificates; a sentence each."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import zoo
from explorer.__main__ import home_or_temporary, script
from tests.support.shared import ROOT
from wzroi.data import DataError, default_root
from zoo import environment

PROXIES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy")


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy and no certificates of the machine's own."""
    for name in (*PROXIES, "no_proxy", "NO_PROXY", *environment.CERTIFICATES):
        monkeypatch.setenv(name, "")  # so that what a test sets is undone
        monkeypatch.delenv(name)


@pytest.mark.parametrize("name", PROXIES)
def test_this_machine_is_exempt_from_a_proxy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import urllib.request

    environment.exempt_loopback()
    assert "NO_PROXY" not in os.environ, "without a proxy nothing is changed"
    monkeypatch.setenv(name, "http://10.0.0.1:3128")
    monkeypatch.setenv("NO_PROXY", "example.org")
    environment.exempt_loopback()
    environment.exempt_loopback()
    assert os.environ["no_proxy"] == os.environ["NO_PROXY"] == "example.org,127.0.0.1,localhost,::1"
    assert urllib.request.proxy_bypass_environment("127.0.0.1:7860")


def test_a_proxy_that_is_exempt_everywhere_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://10.0.0.1:3128")
    monkeypatch.setenv("no_proxy", "*")
    environment.exempt_loopback()
    assert os.environ["no_proxy"] == "*"


@pytest.mark.parametrize("name", environment.CERTIFICATES)
def test_missing_certificates_are_named(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(name, str(tmp_path))
    environment.check_certificates()
    monkeypatch.setenv(name, str(tmp_path / "gone.pem"))
    with pytest.raises(zoo.ZooError, match=rf"{name}=.*gone.pem does not exist"):
        environment.check_certificates()
    with pytest.raises(zoo.ZooError, match=rf"{name}=.*gone.pem does not exist"):
        zoo.pull("*", "me/zoo")


def test_gradio_gets_a_folder_that_it_can_write(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GRADIO_TEMP_DIR", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert environment.gradio_folder() == tmp_path / "gradio"
    monkeypatch.delenv("GRADIO_TEMP_DIR")
    (tmp_path / "gradio").rmdir()
    (tmp_path / "gradio").write_text("another user's")  # as unwritable to root as to anyone
    own = environment.gradio_folder()
    assert own.parent == tmp_path and own.name.startswith("wzroi-gradio-") and os.environ["GRADIO_TEMP_DIR"] == str(own)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    with pytest.raises(zoo.ZooError, match=r"GRADIO_TEMP_DIR=.*cannot be written"):
        environment.gradio_folder()


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can become another user")
def test_a_folder_of_another_user() -> None:
    """The real thing: the shared folder belongs to root, and the process to nobody."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "gradio").mkdir(mode=0o755)
        os.chmod(folder, 0o1777)
        code = "from zoo.environment import gradio_folder; print(gradio_folder().name)"
        script = f"import os, sys; sys.path.insert(0, {str(ROOT)!r}); import zoo; os.setuid(65534); {code}"
        env = {key: value for key, value in os.environ.items() if key != "GRADIO_TEMP_DIR"} | {"TMPDIR": folder}
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, cwd="/", env=env, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("wzroi-gradio-"), done.stderr


def test_no_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(_: str) -> str:
        return _

    monkeypatch.setattr("os.path.expanduser", homeless)  # what it does for an unknown user without HOME
    monkeypatch.delenv("WZROI_DATA", raising=False)
    with pytest.raises(DataError, match="no home folder: set WZROI_DATA"):
        default_root()
    with pytest.raises(zoo.ZooError, match="no home folder: set HOME"):
        environment.expanded("~/zoo")
    monkeypatch.setenv("WZROI_DATA", "/data")
    assert default_root() == Path("/data")


def test_the_explorer_takes_a_temporary_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home_or_temporary() is None and os.environ["HOME"] == str(tmp_path)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert home_or_temporary() == os.environ["HOME"] != str(tmp_path)
    assert Path(os.environ["HOME"]).is_dir()


def test_the_explorer_of_a_checkout_is_its_app_with_its_settings() -> None:
    assert script() == ROOT / "app.py" and (script().parent / ".streamlit" / "config.toml").is_file()
