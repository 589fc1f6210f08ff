"""Threads share heaps of the C library."""

import platform
import subprocess
import sys

import pytest

_HEAPS = """
import ctypes, sys, tempfile, threading
from api import heaps

if sys.argv[1] == "limited":
    heaps.limit()
libc = ctypes.CDLL(None)
libc.malloc.argtypes, libc.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
libc.fdopen.restype = ctypes.c_void_p
libc.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
libc.fflush.argtypes = [ctypes.c_void_p]
together = threading.Barrier(6)

def allocate():
    together.wait(30)
    assert libc.malloc(5000)
    together.wait(30)

threads = [threading.Thread(target=allocate) for _ in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
with tempfile.TemporaryFile() as told:
    stream = libc.fdopen(told.fileno(), b"w")
    libc.malloc_info(0, stream)
    libc.fflush(stream)
    told.seek(0)
    print(told.read().count(b"<heap nr="))
"""


def _heaps(limited: bool) -> int:
    command = [sys.executable, "-c", _HEAPS, "limited" if limited else "as it is"]
    return int(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_six_threads_share_two_heaps_where_each_would_have_its_own() -> None:
    assert _heaps(limited=True) <= 2 < _heaps(limited=False)
