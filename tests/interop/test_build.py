"""What is built for other languages: a failure passes quietly only where its tests may be skipped."""

import sys
from pathlib import Path

import pytest
from interop import build
from interop.build import Build, main

FAILS = "import pathlib, sys; pathlib.Path('tries').open('a').write('.'); sys.exit('no registry')"
SECOND = "import pathlib, sys; sys.exit(pathlib.Path('made').exists() - 1 and (pathlib.Path('made').touch() or 'no registry'))"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "PAUSE", 0.0)


def one(folder: Path, script: str, *, required: bool, tool: str = "sh") -> tuple[Build, ...]:
    commands = ((sys.executable, "-c", script),)
    return (Build(language="Any", folder=folder, tools=(tool,), inputs=(), made="made", commands=commands, required=required),)


def test_what_is_required_and_fails_each_time_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(one(tmp_path, FAILS, required=True)) == 1
    assert (tmp_path / "tries").read_text() == "..."
    assert "the tests with it cannot run (3 tries)\nno registry" in capsys.readouterr().out


def test_a_second_try_is_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(one(tmp_path, SECOND, required=True)) == 0
    assert "Any: made in" in capsys.readouterr().out


def test_what_may_be_skipped_is_named_and_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(one(tmp_path, FAILS, required=False)) == 0
    assert main(one(tmp_path, FAILS, required=True, tool="no-such-tool")) == 0
    assert (tmp_path / "tries").read_text() == "."
    assert capsys.readouterr().out.count("the tests with it are skipped") == 2
