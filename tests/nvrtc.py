"""Compiles the kernels as CuPy does, by NVIDIA's run-time compiler: needs no driver and no GPU."""

import ctypes
import functools
import importlib.metadata
import re
from pathlib import Path
from typing import NamedTuple

from ecteam.cuda.sources import Program

_WHEELS = ("nvidia-cuda-nvrtc", "nvidia-cuda-nvrtc-cu12")
_ENTRY = re.compile(
    r"Compiling entry function '(\w+)' for '(\w+)'\n.*\n"
    r".*?(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads\n"
    r".*?Used (\d+) registers"
)


class Resources(NamedTuple):
    """What a kernel takes: registers of a thread; bytes of stack, spilled stores and loads."""

    kernel: str
    architecture: str
    registers: int
    stack: int
    stores: int
    loads: int


@functools.cache
def library() -> ctypes.CDLL | None:
    """Load the compiler from one of its wheels; None if there is none."""
    for wheel in _WHEELS:
        try:
            files = importlib.metadata.files(wheel) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        for file in files:
            if re.fullmatch(r"libnvrtc\.so\.\d+", file.name):
                return ctypes.CDLL(str(Path(str(file.locate())).resolve()))
    return None


def architectures() -> list[int]:
    """Compute capabilities the compiler knows, e.g. 90, in order."""
    nvrtc = library()
    if nvrtc is None:
        return []
    count = ctypes.c_int()
    _check(nvrtc.nvrtcGetNumSupportedArchs(ctypes.byref(count)))
    found = (ctypes.c_int * count.value)()
    _check(nvrtc.nvrtcGetSupportedArchs(found))
    return sorted(found)


def compile_kernels(program: Program, architecture: int) -> list[Resources]:
    """Compile a file of kernels to machine code; what each kernel takes.

    Raises
    ------
    AssertionError
        With the compiler's log, if it does not compile without a warning.
    """
    nvrtc, handle = library(), ctypes.c_void_p()
    assert nvrtc is not None
    text, name = program.text.encode(), program.file.encode()
    _check(nvrtc.nvrtcCreateProgram(ctypes.byref(handle), text, name, 0, None, None))
    try:
        options = [
            f"--gpu-architecture=sm_{architecture}".encode(),
            b"--std=c++17",
            b"--ptxas-options=-v",
        ]
        status = nvrtc.nvrtcCompileProgram(handle, len(options), (ctypes.c_char_p * 3)(*options))
        log = _log(nvrtc, handle)
        assert status == 0, log
        assert "warning" not in log, log
        size = ctypes.c_size_t()
        _check(nvrtc.nvrtcGetCUBINSize(handle, ctypes.byref(size)))
        assert size.value > 0
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(handle))
    rows = [
        (name, arch, registers, stack, stores, loads)
        for name, arch, stack, stores, loads, registers in _ENTRY.findall(log)
    ]
    return [Resources(*row[:2], *map(int, row[2:])) for row in rows]


def _log(nvrtc: ctypes.CDLL, program: ctypes.c_void_p) -> str:
    size = ctypes.c_size_t()
    _check(nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size)))
    buffer = ctypes.create_string_buffer(size.value)
    _check(nvrtc.nvrtcGetProgramLog(program, buffer))
    return buffer.value.decode()


def _check(status: int) -> None:
    assert status == 0, f"NVRTC returned {status}"
