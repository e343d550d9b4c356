"""The launcher of the tests finds the mistakes it is there for."""

import ctypes

import numpy as np
import pytest
from host_backend import LAUNCHER
from host_compiler import build, needs_compiler

pytestmark = needs_compiler
KERNELS = """
extern "C" __global__ void reversed(int n, const double *x, double *y) {
    __shared__ double shared[4];
    int i = threadIdx.x + 4 * blockIdx.x;
    shared[threadIdx.x] = i < n ? x[i] : 0.0;
    __syncthreads();
    if (i < n) y[i] = shared[3 - threadIdx.x];
}
extern "C" __global__ void racing(int, const double *x, double *y) {
    y[0] = x[threadIdx.x + 4 * blockIdx.x];
}
extern "C" __global__ void unbarred(int n, const double *, double *) {
    if ((int)threadIdx.x < n) __syncthreads();
}
LAUNCHER(reversed)
LAUNCHER(racing)
LAUNCHER(unbarred)
"""


def launch(kernel: str, n: int, backwards: bool) -> tuple[bool, np.ndarray]:
    """Run two blocks of four threads."""
    library = build(f'#include "{LAUNCHER}"\n{KERNELS}')
    x, y = np.arange(8.0), np.zeros(8)
    values = [ctypes.c_int(n), ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(y.ctypes.data)]
    pointers = (ctypes.c_void_p * 3)(*map(ctypes.addressof, values))
    return getattr(library, f"launch_{kernel}")(pointers, 2, 4, backwards) == 1, y


@pytest.mark.parametrize("backwards", [False, True])
def test_threads_wait_for_each_other(backwards):
    done, y = launch("reversed", 8, backwards)
    assert done
    assert y.tolist() == [3, 2, 1, 0, 7, 6, 5, 4]


def test_a_race_shows_in_the_order():
    assert launch("racing", 8, False)[1][0] == 7.0
    assert launch("racing", 8, True)[1][0] == 0.0


def test_a_barrier_that_some_threads_miss_is_an_error():
    assert launch("unbarred", 4, False)[0]
    assert not launch("unbarred", 2, False)[0]


def test_a_kernel_says_what_it_takes():
    library = build(f'#include "{LAUNCHER}"\n{KERNELS}')
    library.signature_reversed.restype = ctypes.c_char_p
    assert library.signature_reversed() == b"iDD"
