"""The device of the tests: the drivers' backend with NumPy arrays and kernels on the CPU."""

import ctypes
import functools
from pathlib import Path
from typing import Any

import numpy as np
from ecteam.cuda.sources import Program, kernels, source
from host_compiler import build

LAUNCHER = Path(__file__).parent / "device" / "launcher.hpp"
_POINTERS = {np.dtype(np.float64): "D", np.dtype(np.float32): "F"}
_LETTERS = {np.dtype(np.int32): "i", np.dtype(np.float64): "d"}


class HostBackend:
    """Runs kernels thread after thread, first to last or last to first.

    Threads of a block run in lock-step. Arguments are checked against the parameters of the
    kernel, and arrays for being what a device would see: whole and in order.
    """

    xp = np

    def __init__(self, backwards: bool = False, memory: int = 1 << 40) -> None:
        self.backwards, self.memory = backwards, memory
        self.launches: list[str] = []

    def launch(self, program: Program, kernel: str, threads: int, *arguments: Any) -> None:
        """Run at least so many threads of a kernel."""
        library = compiled(program)
        signature = getattr(library, f"signature_{kernel}")
        signature.restype = ctypes.c_char_p
        takes, given = signature().decode(), [_letters(argument) for argument in arguments]
        assert len(takes) == len(given), f"{kernel} takes {takes}, got {given}"
        fits = [letter in letters for letter, letters in zip(takes, given, strict=True)]
        assert all(fits), f"{kernel} takes {takes}, got {given}"
        values = [_value(argument) for argument in arguments]
        pointers = (ctypes.c_void_p * len(values))(*map(ctypes.addressof, values))
        block = program.block
        blocks = max(1, -(-threads // block))
        done = getattr(library, f"launch_{kernel}")(pointers, blocks, block, self.backwards)
        assert done == 1, f"{kernel}: not all threads of a block came to the same barriers"
        self.launches.append(kernel)

    def to_host(self, array: np.ndarray) -> np.ndarray:
        """Copy, as from a device."""
        return array.copy()

    def available_bytes(self) -> int:
        """Return the memory the test grants."""
        return self.memory


@functools.cache
def compiled(program: Program) -> ctypes.CDLL:
    """Compile a file of kernels for the host."""
    launchers = "\n".join(f"LAUNCHER({name})" for name in kernels(source(program.file)))
    includes = f'#include "{LAUNCHER}"\n#include "{program.file}"\n'
    return build(f"{program.head}{includes}{launchers}\n")


def _letters(argument: Any) -> str:
    """Kinds of parameters that an argument may be given for: numbers may be those of a struct."""
    if isinstance(argument, np.ndarray):
        assert argument.flags.c_contiguous, "a kernel got an array with strides"
        return "p" + _POINTERS.get(argument.dtype, "")
    return _LETTERS[argument.dtype]


def _value(argument: Any) -> Any:
    if isinstance(argument, np.ndarray):
        return ctypes.c_void_p(argument.ctypes.data)
    return np.ctypeslib.as_ctypes_type(argument.dtype)(argument.item())
