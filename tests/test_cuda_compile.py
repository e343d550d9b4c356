"""Every kernel compiled for real architectures, and what the embedded texts are made of."""

import re
import sys
from pathlib import Path
from types import SimpleNamespace

import nvrtc
import pytest
from ecteam import DeviceError, _core
from ecteam.cuda import backend as backend_module
from ecteam.cuda.sources import Program, block_size, kernels, source, whole_source

FILES = [name for name, _ in _core.kernel_sources() if name.endswith(".cu")]
SIZES = {
    "STATES": 3,
    "CHANNELS": 2,
    "ORDER": 8,
    "LMAX": 4,
    "FRAGMENTS": 1,
    "VECTORS": 1,
    "ATOMS": 32,
    "RADIAL": 3,
}
NEWEST = (nvrtc.architectures() or [0])[-1]


def program(file: str, **other: int) -> Program:
    """Program of a file with all that it lets be defined."""
    sizes = {name: size for name, size in SIZES.items() if name in whole_source(file)}
    if {"ATOMS", "RADIAL"} & set(sizes):
        sizes["BLOCK"] = 64
    return Program(file, tuple({**sizes, **other}.items()))


PAIR_FILES = [file for file in FILES if re.search(r"\breal\b", source(file))]
"""Files that know of single precision."""
CASES = [(program(file), sm) for file in FILES for sm in sorted({75, 80, 90, NEWEST})]
PAIR_FILES.remove("structure_weights.cu")  # seconds; one case is enough
CASES += [(program(file, SINGLE=1), sm) for file in PAIR_FILES for sm in (75, NEWEST)]
CASES += [(program("structure_weights.cu", SINGLE=1), 75)]
CASES += [(program(file, LOOKUP=1), 75) for file in ("ect.cu", "ect_forces.cu", "dipoles.cu")]
CASES += [(program("structure_eam.cu", RADIAL=2), sm) for sm in (75, NEWEST)]
CASES += [(program("ensemble.cu", FRAGMENTS=0), sm) for sm in (75, NEWEST)]
CASES += [(program("structure_weights.cu", BLOCK=128), 90)]  # of a structure that is alone
# More of a block would leave a multiprocessor a single block of 256 threads.
MOST_REGISTERS = 128 * 256
KERNELS_DIRECTORY = Path(__file__).parents[1] / "cuda"


@pytest.mark.skipif(nvrtc.library() is None, reason="no NVRTC (pip install nvidia-cuda-nvrtc)")
@pytest.mark.parametrize(
    ("program", "architecture"),
    CASES,
    ids=[f"{p.file}-{sm}{'-single' * ('SINGLE' in p.head)}" for p, sm in CASES],
)
def test_kernels_compile_without_spills(program, architecture, record_property):
    found = nvrtc.compile_kernels(program, architecture)
    assert {row.kernel for row in found} == set(kernels(source(program.file)))
    for row in found:
        record_property(f"{row.kernel} sm_{architecture}", row._asdict())
        assert row.stores == row.loads == 0, row
        assert row.registers * program.block <= MOST_REGISTERS, row


def test_a_whole_source_has_every_include_once():
    for file in FILES:
        text = whole_source(file)
        assert "#include" not in text.replace("#include <cmath>", "")
        assert text.count("namespace formulas {") == text.count("struct alignas(16) Quad") == 1
    assert block_size() % 32 == 0


def test_a_text_is_compiled_once_and_launched_in_whole_blocks(monkeypatch):
    compiled, launched = [], []

    class RawModule:
        def __init__(self, code, options):
            compiled.append((code, options))

        def get_function(self, name):
            return lambda *launch: launched.append((name, *launch))

    device = SimpleNamespace(compute_capability="90", id=0)
    runtime = SimpleNamespace(
        getDeviceCount=lambda: 1,
        getDevice=lambda: 0,
        CUDARuntimeError=RuntimeError,
        memGetInfo=lambda: (10, 20),
    )
    pool = SimpleNamespace(free_bytes=lambda: 5)
    cupy = SimpleNamespace(
        cuda=SimpleNamespace(runtime=runtime, Device=lambda: device),
        RawModule=RawModule,
        get_default_memory_pool=lambda: pool,
    )
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setattr(backend_module, "_modules", {})
    backend = backend_module.CupyBackend()
    program = Program("ensemble.cu", (("STATES", 2),))
    for threads in (0, block_size(), block_size() + 1):
        backend.launch(program, "survey", threads, "argument")
    block = (block_size(),)
    assert launched == [("survey", (blocks,), block, ("argument",)) for blocks in (1, 1, 2)]
    assert compiled == [(program.text, ("--std=c++17",))]
    assert program.text.startswith("#define STATES 2\n")
    assert backend.available_bytes() == 15
    with pytest.raises(DeviceError, match="survey: 2147483648 threads, at most"):
        backend.launch(program, "survey", 1 << 31, "argument")


def test_an_environment_variable_replaces_the_embedded_texts(monkeypatch, tmp_path):
    (tmp_path / "eam.cu").write_text("edited", encoding="utf-8")
    monkeypatch.setenv("ECTEAM_CUDA_DIR", str(tmp_path))
    assert whole_source("eam.cu") == "edited"


@pytest.mark.skipif(not KERNELS_DIRECTORY.is_dir(), reason="no source tree here")
def test_all_files_are_embedded():
    files = {f.name: f.read_text(encoding="utf-8") for f in KERNELS_DIRECTORY.iterdir()}
    assert files == dict(_core.kernel_sources())
