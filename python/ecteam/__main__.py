"""``python -m ecteam``."""

from ecteam.cli import main

main()
