"""The README's example runs, and its commands are those that the checks run."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
COMMANDS = (
    "python -m pip install '.[plot]' && python -m ecteam demo",
    "python -m pip install '.[test]' && python -m pytest",
)


def test_example_runs(capsys):
    blocks = re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.M | re.S)
    assert blocks, "the README has no python example"
    for block in blocks:
        exec(compile(block, str(README), "exec"), {"__name__": "readme"})
    assert "eV" in capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_the_same_in_readme_and_checks(command):
    assert command in README.read_text(encoding="utf-8").splitlines()
    checks = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert command in [line.strip() for line in checks]
