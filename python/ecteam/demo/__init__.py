"""Demonstration on structures that ship with the package: ``python -m ecteam demo``."""

from ecteam.demo.main import Demo, run_demo

__all__ = ["Demo", "run_demo"]
