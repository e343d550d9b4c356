"""The demonstration from start to end: compute, write the files, say what was found."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ecteam.demo.proton import ProtonPath, proton_path
from ecteam.demo.salt import Crystal, Dissociation, crystal, dissociation
from ecteam.demo.water import WaterHexamer, water_hexamer
from ecteam.files import whole_file
from ecteam.frames import frame_of, write_frames
from ecteam.potential import Potential, load

NO_FIGURE = "no figure: Matplotlib is missing (pip install 'ecteam[plot]')"


@dataclass(frozen=True, eq=False)
class Demo:
    """Everything the demonstration computed, and the files it wrote."""

    folder: Path
    potentials: list[Potential]
    water: WaterHexamer
    proton: ProtonPath
    crystal: Crystal
    dissociation: Dissociation
    seconds: float
    files: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def data(self) -> dict[str, Any]:
        """Plain numbers for JSON. Units: eV, Å, e; times say theirs."""
        return {
            "potentials": {p.name: p.sha256 for p in self.potentials},
            "water_hexamer": self.water.data(),
            "proton_path": self.proton.data(),
            "nacl_crystal": self.crystal.data(),
            "nacl_dissociation": self.dissociation.data(),
            "seconds": self.seconds,
            "files": [str(path) for path in self.files],
            "notes": self.notes,
        }


def run_demo(
    folder: Path, md_steps: int = 2000, path_points: int = 61, curve_points: int = 133
) -> Demo:
    """Compute everything and write it to `folder`, which is made if it does not exist.

    Parameters
    ----------
    folder : Path
        For the trajectories, the numbers (``demo.json``) and the figure (``weights.png``).
    md_steps : int
        Steps of 0.25 fs.
    path_points : int
        Points of the proton path; odd, so that one is in the middle.
    curve_points : int
        Points of the dissociation curve.

    Raises
    ------
    OSError
        If the folder cannot be written to.
    NotConvergedError
        If a relaxation or a minimisation does not converge.
    """
    folder.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    water, halides = load("water"), load("halides")
    hexamer = water_hexamer(water, md_steps)
    proton = proton_path(water, path_points)
    lattice, curve = crystal(halides), dissociation(halides, curve_points)
    seconds = time.perf_counter() - start
    demo = Demo(folder, [water, halides], hexamer, proton, lattice, curve, seconds)
    _write_trajectories(demo, folder)
    _write_figure(demo, folder)
    _write_numbers(demo, folder)
    return demo


def _write_trajectories(demo: Demo, folder: Path) -> None:
    relaxed = frame_of(demo.water.relaxed, demo.water.result)
    frames = {
        "water-hexamer.extxyz": [relaxed, *demo.water.frames],
        "proton-path.extxyz": list(map(frame_of, demo.proton.frames, demo.proton.results)),
        "nacl-crystal.extxyz": [frame_of(demo.crystal.relaxed, demo.crystal.result)],
        "nacl-dissociation.extxyz": list(
            map(frame_of, demo.dissociation.frames, demo.dissociation.results)
        ),
    }
    for name, trajectory in frames.items():
        write_frames(folder / name, trajectory)
        demo.files.append(folder / name)


def _write_figure(demo: Demo, folder: Path) -> None:
    if find_spec("matplotlib") is None:
        demo.notes.append(NO_FIGURE)
        return
    from ecteam.demo.plot import weights_figure

    path = folder / "weights.png"
    with whole_file(path) as part:
        weights_figure(demo.proton, demo.dissociation).savefig(part, format="png", dpi=160)
    demo.files.append(path)


def _write_numbers(demo: Demo, folder: Path) -> None:
    path = folder / "demo.json"
    demo.files.append(path)
    with whole_file(path) as part:
        part.write_text(json.dumps(demo.data(), indent=1), encoding="utf-8")
