"""Where kernels run: a module of arrays, a way to launch, a limit of memory."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ecteam._core import EcteamError
from ecteam.cuda.sources import Program

Array = Any
"""An array of the backend's module."""

_OPTIONS = ("--std=c++17",)
_MOST_THREADS = (1 << 31) - (1 << 16)  # indices of threads are ints
_INSTALL = "install 'ecteam[cuda12]' or 'ecteam[cuda13]'"


class DeviceError(EcteamError, RuntimeError):
    """CUDA, or enough of its memory, is not to be had; the message says what is missing."""


class Backend(Protocol):
    """What the drivers need; the tests have one that runs the kernels on the CPU."""

    @property
    def xp(self) -> Any:
        """Module of arrays, with NumPy's functions."""

    def launch(self, program: Program, kernel: str, threads: int, *arguments: Any) -> None:
        """Run at least so many threads of a kernel: arrays, and scalars of NumPy's types."""

    def to_host(self, array: Array) -> npt.NDArray[Any]:
        """Copy to a NumPy array."""

    def available_bytes(self) -> int:
        """Memory that may still be allocated."""


def require(backend: Backend, size: int, purpose: str) -> None:
    """Refuse an allocation that cannot succeed.

    Raises
    ------
    DeviceError
        If fewer than `size` bytes are available; the message names both numbers.
    """
    available = backend.available_bytes()
    if size > available:
        raise DeviceError(
            f"device memory: {purpose} needs {size} bytes ({size / 1e9:.2f} GB), "
            f"{available} bytes ({available / 1e9:.2f} GB) are available"
        )


class CupyBackend:
    """The CUDA device that CuPy has made current."""

    def __init__(self) -> None:
        self.xp: Any = _cupy()
        self._functions: dict[tuple[Program, str, int], Any] = {}

    def launch(self, program: Program, kernel: str, threads: int, *arguments: Any) -> None:
        """Run at least so many threads of a kernel on the current stream.

        Raises
        ------
        DeviceError
            For more threads than a kernel can count.
        """
        if threads > _MOST_THREADS:
            raise DeviceError(f"{kernel}: {threads} threads, at most {_MOST_THREADS} can be run")
        key = program, kernel, self.xp.cuda.runtime.getDevice()
        if key not in self._functions:
            device = self.xp.cuda.Device()
            module = _module(program.text, device.compute_capability, device.id)
            self._functions[key] = module.get_function(kernel)
        blocks = max(1, -(-threads // program.block))
        self._functions[key]((blocks,), (program.block,), arguments)

    def to_host(self, array: Array) -> npt.NDArray[Any]:
        """Copy to a NumPy array."""
        copied: npt.NDArray[Any] = self.xp.asnumpy(array)
        return copied

    def available_bytes(self) -> int:
        """Free memory of the device, and what CuPy's pool holds without use."""
        free, _ = self.xp.cuda.runtime.memGetInfo()
        return int(free) + int(self.xp.get_default_memory_pool().free_bytes())


def bytes_of(shape: Sequence[int], dtype: npt.DTypeLike) -> int:
    """Size of an array."""
    return int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize


def _cupy() -> ModuleType:
    """Import CuPy, with a device it can use.

    Raises
    ------
    DeviceError
        If there is no CuPy, no driver or no device.
    """
    try:
        import cupy
    except ImportError as error:
        raise DeviceError(f"device='cuda': CuPy cannot be imported ({error}); {_INSTALL}") from None
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise DeviceError(f"device='cuda': no CUDA device can be used ({error})") from None
    if count == 0:
        raise DeviceError("device='cuda': there is no CUDA device")
    module: ModuleType = cupy
    return module


_modules: dict[tuple[str, str, int], Any] = {}


def _module(text: str, architecture: str, device: int) -> Any:
    """Compile a text, once for each architecture and device.

    CuPy keeps what it has compiled on disk, by text, options and architecture.
    """
    import cupy

    key = (hashlib.sha256(text.encode()).hexdigest(), architecture, device)
    if key not in _modules:
        _modules[key] = cupy.RawModule(code=text, options=_OPTIONS)
    return _modules[key]
