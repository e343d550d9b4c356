"""Design runs judged by crystals, and stopped by a signal."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from ecteam import InvalidInputError, load
from ecteam.cli_common import STOPPED
from ecteam.design import config_of, design
from ecteam.design.crystals import crystal_deviations
from test_design import LINEAR, files, plain

__all__ = ["files"]


def test_crystal_properties_count(files, tmp_path):
    """A given property enters the record and the score; a model without a crystal misses it."""
    config = config_of(
        plain(files, start=[LINEAR, "Constant()"], properties={"lattice_constant": 3.3, "c11": 200})
        | {"search": {"generations": 0, "most_parameters": 12}, "property_scale": 0.05}
    )
    found = {
        record["formula"]: record for record in design(config, tmp_path, progress=False).records
    }
    plain_run = design(
        config_of(plain(files) | {"search": {"generations": 0}}), tmp_path / "b", progress=False
    )
    assert plain_run.records[0]["properties"] == {}
    for record in found.values():
        assert set(record["properties"]) == {"lattice_constant", "c11"}
        parts = [v / getattr(config.scales, k) for k, v in record["validation"].items()]
        parts += [v / 0.05 for v in record["properties"].values()]
        assert record["error"] == pytest.approx(np.sqrt(np.mean(np.square(parts))))
    lone = next(r for f, r in found.items() if f == "Constant()")
    assert lone["properties"] == {"lattice_constant": 1.0, "c11": 1.0}


def test_deviations_of_niobium():
    wanted = {"lattice_constant": 3.3223, "bulk_modulus": 175.0, "surface_110": 2.075}
    found = crystal_deviations(load("niobium"), "Nb", wanted)
    assert abs(found["lattice_constant"]) < 0.005
    assert all(abs(value) < 0.15 for value in found.values())


@pytest.mark.parametrize(
    ("properties", "message"),
    [({"hardness": 1.0}, "properties.hardness: must be one of"), ({"c11": 0.0}, "other than 0")],
)
def test_unknown_properties_are_named(files, properties, message):
    with pytest.raises(InvalidInputError, match=message):
        config_of(plain(files, properties=properties))


def test_a_signal_stops_and_the_same_command_resumes(files, tmp_path):
    """A real SIGINT: what was finished stays, and is not done again."""
    settings = plain(files) | {"search": {"generations": 300, "children": 2}}
    (tmp_path / "long.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "ecteam", "design", "run", "long.json", "-o", "run"]
    candidates = tmp_path / "run" / "candidates"

    def interrupted(least):
        process = subprocess.Popen(
            command,
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        begin = time.monotonic()
        while len(list(candidates.glob("*.json"))) < least and time.monotonic() < begin + 60:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        return process.communicate(timeout=60)[1], process.returncode

    said, code = interrupted(3)
    assert (code, "resumes the run" in said) == (STOPPED, True), said
    first = {path: path.stat().st_mtime_ns for path in candidates.glob("*.json")}
    assert len(first) >= 3
    said, code = interrupted(len(first) + 2)
    assert code == STOPPED, said
    assert {path: path.stat().st_mtime_ns for path in first} == first
    assert len(list(candidates.glob("*.json"))) >= len(first) + 2
