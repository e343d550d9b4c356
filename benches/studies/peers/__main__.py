"""Markdown tables of shipped potentials beside other models.

python benches/studies/peers oxides copper --setfl Cu_mishin1.eam.alloy
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from peers import copper, oxides


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("potentials", nargs="+", choices=["copper", "oxides"])
    parser.add_argument("--other", nargs="*", default=[], help="more potential files")
    parser.add_argument("--setfl", help="embedded-atom potential of copper, setfl")
    options = parser.parse_args(arguments)
    for name in options.potentials:
        print(
            oxides.table(options.other)
            if name == "oxides"
            else copper.table(options.other, options.setfl)
        )
        print()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
