"""Compare this project with the programs users have: one command, one table.

    python benches/compare/run.py                        # all rows
    python benches/compare/run.py --rows eam neighbors   # some
    python benches/compare/run.py --python PYTHON        # an environment that has the others

Run it with an interpreter that has ecteam. The other programs live in an environment of their own;
without ``--python`` it is made in ``benches/compare/.venv`` from `requirements.txt`. Every program
runs in a process of its own with a fixed number of threads; all are measured in turn, and the table
holds medians, the range, and the time over that of the first line. A program that is not there is
said to be absent.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

from timing import HERE, Outcome, Row, measure, verdict

ROWS = (
    "neighbors",
    "reuse",
    "eam",
    "calculator",
    "water",
    "products",
    "charges",
    "density",
    "load",
    "memory",
)


def environment() -> str:
    """Interpreter of the environment of the other programs, made if there is none."""
    folder = HERE / ".venv"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        print(f"making {folder} from requirements.txt", file=sys.stderr)
        venv.create(folder, with_pip=True)
        requirements = str(HERE / "requirements.txt")
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", requirements], check=True)
    return str(python)


def show(row: Row, found: dict[str, Outcome]) -> None:
    """Print one block of the table."""
    print(f"\n{row.title}, {row.unit}")
    base = next((o.median for o in found.values() if o.values), None)
    for contender in row.contenders:
        outcome = found[contender.name]
        if outcome.problem or base is None:
            print(f"  {contender.name:<34} {outcome.problem or 'not measured'}")
            continue
        spread = f"{min(outcome.values):.4g} … {max(outcome.values):.4g}"
        ratio = outcome.median / base
        print(f"  {contender.name:<34} {outcome.median:>10.4g}  {spread:<22} {ratio:>8.2f}×")
    for target in row.targets:
        print(f"    {verdict(target, found)}")
    sys.stdout.flush()


def main() -> None:
    """Measure and print all rows asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=ROWS)
    parser.add_argument("--python", help="interpreter that has the other programs")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each program")
    parser.add_argument(
        "--quick", action="store_true", help="the smallest problem of each row only"
    )
    parser.add_argument("--json", type=Path, help="also write all measurements to this file")
    arguments = parser.parse_args()
    peers = arguments.python or environment()
    os.environ["PEERS_PREFIX"] = str(Path(peers).absolute().parent.parent)
    measured = {}
    for name in arguments.rows:
        for row in importlib.import_module(f"row_{name}").rows(arguments.quick):
            found = measure(row, peers, arguments.rounds)
            show(row, found)
            measured[row.title] = {key: vars(outcome) for key, outcome in found.items()}
    if arguments.json:
        arguments.json.write_text(json.dumps(measured, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
