"""Makes the virtual environment; any Python 3 runs it, so it uses nothing but the standard library.

The Makefile starts it with `python3 -I`: without -I this folder would come first on the path, and our
`statistics` and `cache` would stand in for Python's own.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST, NEWEST = (3, 11), (3, 14)  # what the pinned torch has builds for
NEEDED_BYTES = 3 * 10**9
CPU_TORCH = "https://download.pytorch.org/whl/cpu"


def stop(message):
    """End with one plain message and status 1."""
    sys.exit("labkit: " + message)


def version_of(python):
    """Ask an interpreter for its version, such as (3, 11); None where it does not run."""
    code = "import sys; print(*sys.version_info[:2])"
    try:
        answer = subprocess.run([python, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = answer.stdout.split()
    return (int(words[0]), int(words[1])) if answer.returncode == 0 and len(words) == 2 else None


def find_python(preferred=sys.executable):
    """Return an interpreter that is new enough: the preferred one, else the newest on the path."""
    names = [f"python3.{minor}" for minor in range(NEWEST[1], OLDEST[1] - 1, -1)]
    for candidate in [preferred] + [found for found in map(shutil.which, names) if found]:
        version = version_of(candidate)
        if version is not None and OLDEST <= version <= NEWEST:
            return candidate
    return stop(
        f"Python 3.{OLDEST[1]} to 3.{NEWEST[1]} is needed, and none was found. "
        "Install one, or name it: make lab PYTHON=/path/to/python3.11"
    )


def check_disk(folder=ROOT, needed=NEEDED_BYTES):
    """Stop where the disk has no room for the environment; sizes in bytes."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        stop(
            f"about {needed / 1e9:.0f} GB of free disk space is needed for the environment, and the disk of "
            f"{folder} has {free / 1e9:.1f} GB. Free some space, or clone to another disk."
        )


def stamp_of(root, extras):
    """Say what is installed: a digest of the two files that decide it, and the extras."""
    files = b"".join((root / name).read_bytes() for name in ("pyproject.toml", "constraints.txt"))
    return {"inputs": hashlib.sha256(files).hexdigest(), "extras": sorted(extras)}


def is_current(stamp_file, wanted):
    """True where the environment was made from these very files and has at least these extras."""
    try:
        found = json.loads(stamp_file.read_text(encoding="utf8"))
        return found["inputs"] == wanted["inputs"] and set(wanted["extras"]) <= set(found["extras"])
    except (OSError, ValueError, KeyError):
        return False


def wants_cuda(report):
    """True where pip's installation report lists CUDA libraries, which take several GB.

    >>> wants_cuda({"install": [{"metadata": {"name": "nvidia-cublas"}}]})
    True
    >>> wants_cuda({"install": [{"metadata": {"name": "torch"}}]})
    False
    """
    names = [item["metadata"]["name"].lower() for item in report.get("install", [])]
    return any(name.startswith(("nvidia-", "cuda-")) or name == "triton" for name in names)


def pip(python, *words, capture=False):
    """Run pip in the new environment and return its output; stop with its words where it fails."""
    command = [str(python), "-m", "pip", *words]
    done = subprocess.run(command, stdout=subprocess.PIPE if capture else None, text=True)
    if done.returncode != 0:
        stop(f"this did not work: pip {' '.join(words)}\nIts message is above; mend it and start again.")
    return done.stdout


def has_pip(python):
    """True where the environment is whole: making it may have been broken off half way."""
    try:
        return subprocess.run([str(python), "-m", "pip", "--version"], stdout=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


def torch_words(python, pinned, index):
    """Choose where torch comes from: the index that was named; by default a build without CUDA on Linux."""
    if index:
        # What torch needs comes with the other packages: this index may not have the pinned versions of it.
        return ["--no-deps", "--index-url", index, pinned]
    if sys.platform.startswith("linux"):
        report = pip(python, "install", "--dry-run", "--quiet", "--report", "-", pinned, capture=True)
        if wants_cuda(json.loads(report)):
            print(f"Taking PyTorch's CPU build (the workbook needs no GPU): {CPU_TORCH}")
            return ["--no-deps", "--index-url", CPU_TORCH, pinned]
    return [pinned]


def install(root, extras, index):
    """Make the environment in `.venv` and install the pinned packages into it."""
    venv = root / ".venv"
    python = venv / ("Scripts" if os.name == "nt" else "bin") / "python"
    stamp_file, wanted = venv / "labkit-installed.json", stamp_of(root, extras)
    if is_current(stamp_file, wanted):
        return
    if not has_pip(python):
        check_disk(root)
        print("Making the environment in .venv; this takes some minutes, once.", flush=True)
        done = subprocess.run([find_python(), "-m", "venv", str(venv)])
        if done.returncode != 0:
            shutil.rmtree(venv, ignore_errors=True)
            stop("Python could not make the environment. On Debian and Ubuntu: apt install python3-venv")
    constraints = root / "constraints.txt"
    pins = constraints.read_text(encoding="utf8").splitlines()
    pinned = next(line for line in pins if line.startswith("torch=="))
    pip(
        python,
        "install",
        "--progress-bar",
        "off",
        "-c",
        str(constraints),
        *torch_words(python, pinned, index),
    )
    target = str(root) + (f"[{','.join(extras)}]" if extras else "")
    pip(python, "install", "--progress-bar", "off", "-c", str(constraints), "-e", target)
    # Written last: an installation that was broken off is taken up again at the next start.
    stamp_file.write_text(json.dumps(wanted), encoding="utf8")


def main(words=None):
    """Read the command line and install what is missing."""
    reader = argparse.ArgumentParser(description="Make or refresh the virtual environment in .venv.")
    reader.add_argument("--extra", action="append", default=[], help="an extra, such as test")
    reader.add_argument("--torch-index", default="", help="take torch from this package index")
    chosen = reader.parse_args(words)
    try:
        install(ROOT, chosen.extra, chosen.torch_index)
    except KeyboardInterrupt:
        stop("stopped. The same command goes on from here.")


if __name__ == "__main__":
    main()
