"""Files of other programs."""

from ecteam.interop.setfl import read_setfl

__all__ = ["read_setfl"]
