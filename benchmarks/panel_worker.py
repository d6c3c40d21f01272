"""The panel's worker process: seconds from start to ready, and of every command, cold and warm, as the panel sends them.

Run by `make bench`. Each row gives the time since the row before; the click path "Try it", "Run all" is the sum of ready,
phantom and the cold analysis.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from HabitatPNILib import worker
from HabitatPNILib.frozen_model import find_model, load_model


class Client:
    """A worker process, asked one command after the other."""

    def __init__(self) -> None:
        command = [sys.executable, str(worker.__file__)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self._last = time.perf_counter()
        self.rows: list[tuple[str, float]] = []
        self._answer("start to ready")

    def ask(self, row: str, **request: Any) -> dict[str, Any]:
        """Send a command, wait for its result and note the seconds."""
        assert self._process.stdin is not None
        self._last = time.perf_counter()
        self._process.stdin.write(json.dumps({"id": 1, **request}).encode() + b"\n")
        self._process.stdin.flush()
        return self._answer(row)["value"]

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _answer(self, row: str) -> dict[str, Any]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message = json.loads(line)
            if message["type"] == "error":
                raise SystemExit(f"{row}: {message['message']}\n{message['detail']}")
            if message["type"] != "progress":
                self.rows.append((row, time.perf_counter() - self._last))
                return message
        raise SystemExit(f"{row}: the worker has died")


def cold(model: Path, folder: str, seed: int) -> list[tuple[str, float]]:
    """The click path in a fresh worker that nobody has warmed."""
    client = Client()
    made = client.ask("phantom", command="phantom", seed=seed, folder=folder)
    asked = {"case": made["case"], "model": str(model), "folder": folder, "clinical": _clinical(model, made)}
    client.ask("analyse, cold", command="analyse", **asked)
    client.close()
    return client.rows


def warm(model: Path, folder: str, seed: int) -> list[tuple[str, float]]:
    """Step by step in a warmed worker."""
    client = Client()
    made = client.ask("phantom", command="phantom", seed=seed, folder=folder)
    asked = {"case": made["case"], "model": str(model), "folder": folder}
    clinical = _clinical(model, made)
    client.ask("warm", command="warm", model=str(model))
    client.ask("register", command="register", **asked)
    client.ask("habitats after register", command="habitats", k=None, **asked)
    client.ask("analyse after habitats", command="analyse", clinical=clinical, **asked)
    client.ask("report after analyse", command="report", clinical=clinical, path=str(Path(folder) / "report.html"), **asked)
    other = client.ask("another phantom", command="phantom", seed=seed + 1, folder=folder)
    client.ask("analyse, warm", command="analyse", **{**asked, "case": other["case"], "clinical": _clinical(model, other)})
    client.close()
    return client.rows


def _clinical(model: Path, made: dict[str, Any]) -> dict[str, Any]:
    names = [predictor.name for predictor in load_model(model).predictors]
    return {name: made["clinical"][name] for name in names if name in made["clinical"]}


def main() -> None:
    """Print two tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="pca-pni-phantom")
    parser.add_argument("--seed", type=int, default=9000)
    options = parser.parse_args()
    model = find_model(options.model).resolve()
    print(f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, model {model.name}")
    with tempfile.TemporaryDirectory() as folder:
        for title, rows in (("Cold", cold(model, folder, options.seed)), ("Warm", warm(model, folder, options.seed))):
            print(f"{title}: {sum(seconds for _, seconds in rows):.1f} s in all")
            for row, seconds in rows:
                print(f"  {row:24s}{seconds:7.2f} s")


if __name__ == "__main__":
    main()
