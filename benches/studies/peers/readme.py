"""Extract of the tables in the README."""

from __future__ import annotations

from collections.abc import Mapping

from ecteam.peers import PeerTable

from .tables import markdown

HEADINGS = {
    "water": "`water`, beside PBE0/aug-cc-pVDZ",
    "halides": "`halides`: three of six salts beside experiment; metals, halogens without target",
    "oxides": "`oxides` (MgO), beside experiment",
    "copper": "`copper`: clusters beside PBE/LANL2DZ, crystal beside experiment",
}


def extract(tables: Mapping[str, PeerTable]) -> str:
    """Heading and brief table of every potential."""
    parts = [f"**{HEADINGS[name]}**\n\n{markdown(tables[name], True)}" for name in HEADINGS]
    return "\n\n".join(parts)
