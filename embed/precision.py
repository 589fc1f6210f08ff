"""Which arithmetic this processor is fast in, and whether there is a GPU; found out without importing torch."""

import ctypes
import os
from functools import cache
from pathlib import Path


def cores() -> int:
    """The cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


@cache
def cpu_features() -> frozenset[str]:
    """The processor's features as Linux names them; none on other systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), []))


def best_precision() -> str:
    """The precision to export for: 8-bit integers with VNNI, bfloat16 where the processor multiplies it, else float32.

    Ordered by speed; what each costs in quality is in ARCHITECTURE.md.
    """
    features = cpu_features()
    if features & {"avx512_vnni", "avx_vnni", "amx_int8"}:
        return "int8"
    return "bfloat16" if features & {"avx512_bf16", "amx_bf16"} else "float32"


@cache
def has_gpu() -> bool:
    """Whether the NVIDIA driver is there and knows a GPU."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
        count = ctypes.c_int()
        return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0
    except (OSError, AttributeError):
        return False
