import json
import subprocess
import sys

import pytest

from labkit import bootstrap


@pytest.fixture
def checkout(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[project]")
    (tmp_path / "constraints.txt").write_text("# pins\ntorch==2.13.0\n")
    return tmp_path


def test_it_runs_alone_with_nothing_but_python():
    done = subprocess.run(
        [sys.executable, "-I", "-S", bootstrap.__file__, "--help"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0
    assert "--extra" in done.stdout


def test_this_python_is_taken_where_it_is_new_enough():
    assert bootstrap.find_python(sys.executable) == sys.executable


def test_an_old_python_makes_room_for_a_newer_one_on_the_path(monkeypatch):
    versions = {"/old/python3": (3, 8), "/bin/python3.13": None, "/bin/python3.12": (3, 12)}
    monkeypatch.setattr(bootstrap, "version_of", versions.get)
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: None if "14" in name else f"/bin/{name}")
    assert bootstrap.find_python("/old/python3") == "/bin/python3.12"


def test_no_python_that_is_new_enough_is_said(monkeypatch):
    monkeypatch.setattr(bootstrap, "version_of", lambda python: (3, 9))
    with pytest.raises(SystemExit, match=r"Python 3.11 to 3.14 is needed.*PYTHON="):
        bootstrap.find_python("/old/python3")


def test_a_full_disk_is_said_with_both_numbers(checkout):
    with pytest.raises(SystemExit, match=r"about 1000000 GB of free disk space.* GB\. Free some space"):
        bootstrap.check_disk(checkout, needed=10**15)


def test_the_stamp_knows_what_it_was_made_from(checkout):
    stamp, plain = checkout / "stamp.json", bootstrap.stamp_of(checkout, [])
    assert not bootstrap.is_current(stamp, plain)
    with_tests = bootstrap.stamp_of(checkout, ["test"])
    stamp.write_text(json.dumps(with_tests))
    assert bootstrap.is_current(stamp, plain), "an environment with more extras will do"
    stamp.write_text(json.dumps(plain))
    assert not bootstrap.is_current(stamp, with_tests)
    (checkout / "constraints.txt").write_text("torch==2.14.0\n")
    assert not bootstrap.is_current(stamp, bootstrap.stamp_of(checkout, []))


@pytest.fixture
def pip_calls(monkeypatch):
    calls = []

    def pip(python, *words, capture=False):
        calls.append(words)
        return json.dumps({"install": [{"metadata": {"name": "nvidia-cublas-cu12"}}]}) if capture else None

    monkeypatch.setattr(bootstrap, "pip", pip)
    monkeypatch.setattr(bootstrap, "has_pip", lambda python: True)
    return calls


def test_cuda_is_left_out_on_linux(monkeypatch, pip_calls, capsys):
    monkeypatch.setattr(sys, "platform", "linux")
    assert bootstrap.torch_words("python", "torch==2.13.0", "")[-2:] == [bootstrap.CPU_TORCH, "torch==2.13.0"]
    assert "CPU build" in capsys.readouterr().out


def test_elsewhere_the_index_is_the_machines_own(monkeypatch, pip_calls):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert bootstrap.torch_words("python", "torch==2.13.0", "") == ["torch==2.13.0"]
    assert pip_calls == []


def test_a_named_index_is_used(pip_calls):
    words = bootstrap.torch_words("python", "torch==2.13.0", "https://example.org/simple")
    assert words == ["--no-deps", "--index-url", "https://example.org/simple", "torch==2.13.0"]


def test_installing_pins_everything_and_stamps_last(checkout, pip_calls):
    (checkout / ".venv").mkdir()
    bootstrap.install(checkout, ["test"], "")
    torch, package = pip_calls[-2:]
    assert torch[-1] == "torch==2.13.0"
    assert package[-2:] == ("-e", f"{checkout}[test]")
    assert all(("-c", str(checkout / "constraints.txt")) == words[3:5] for words in (torch, package))
    pip_calls.clear()
    bootstrap.install(checkout, [], "")
    assert pip_calls == [], "the second time there is nothing to do"


def test_a_failing_pip_stops_with_its_words():
    with pytest.raises(SystemExit, match="this did not work: pip no-such-command"):
        bootstrap.pip(sys.executable, "no-such-command")
