"""Compiles the texts of `cuda/` with the machine's own C++ compiler."""

import atexit
import ctypes
import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from ecteam import _core

_FLAGS = "-std=c++17 -O1 -ffp-contract=off -fPIC -shared -Wall -Wextra".split()
# Fibres jump between stacks, which a fortified longjmp takes for a mistake; #pragma unroll is
# the device's.
_FLAGS += ["-U_FORTIFY_SOURCE", "-Wno-unknown-pragmas"]
_COMPILERS = ("g++", "clang++", "c++")


def compiler() -> str | None:
    """Return the name of a C++ compiler: `$CXX`, else the first one found."""
    return next((c for c in (os.environ.get("CXX"), *_COMPILERS) if c and shutil.which(c)), None)


needs_compiler = pytest.mark.skipif(compiler() is None, reason="no C++ compiler (set CXX)")


@functools.cache
def _folder() -> Path:
    """Make a folder with the kernels, for this run of the tests."""
    folder = Path(tempfile.mkdtemp(prefix="ecteam-kernels-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "kernels").mkdir()
    for name, text in _core.kernel_sources():
        (folder / "kernels" / name).write_text(text, encoding="utf-8")
    return folder


@functools.cache
def build(text: str) -> ctypes.CDLL:
    """Compile a C++ text, which may include the files of `cuda/`, to a library."""
    folder = _folder()
    kernels = os.environ.get("ECTEAM_CUDA_DIR", folder / "kernels")
    stem = hashlib.sha256(text.encode()).hexdigest()[:16]
    source, library = folder / f"{stem}.cpp", folder / f"{stem}.so"
    source.write_text(text, encoding="utf-8")
    command = [compiler(), *_FLAGS, "-I", kernels, source, "-o", library]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return ctypes.CDLL(str(library))
