"""Evaluation on a CUDA device, through CuPy; nothing here is imported until a device is asked for.

The drivers allocate and launch, and know no physics: that is in `cuda/*.cu`, whose tables come
from the engine.
"""

from ecteam.cuda.backend import Backend, CupyBackend, DeviceError

__all__ = ["Backend", "CupyBackend", "DeviceError"]
