"""Which arithmetic a processor is fast in."""

import subprocess
import sys

import pytest

from embed import precision


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        ({"avx512_vnni", "avx512_bf16"}, "int8"),
        ({"avx_vnni"}, "int8"),
        ({"amx_int8", "amx_bf16"}, "int8"),
        ({"avx512_bf16", "avx2"}, "bfloat16"),
        ({"avx2"}, "float32"),
        (set(), "float32"),
    ],
)
def test_the_precision_follows_the_processor(monkeypatch: pytest.MonkeyPatch, features: set[str], expected: str) -> None:
    monkeypatch.setattr(precision, "cpu_features", lambda: frozenset(features))
    assert precision.best_precision() == expected


def test_there_is_a_core() -> None:
    assert precision.cores() >= 1


def test_looking_for_a_gpu_does_not_import_torch() -> None:
    code = "import sys; from embed.precision import has_gpu; has_gpu(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
