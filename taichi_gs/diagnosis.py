"""What there is to know of an installation, for a bug report: versions, devices, the cache, and a self-test."""

from __future__ import annotations

import os
import platform
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from taichi_gs import __version__
from taichi_gs.decoder.decode import TgsFile
from taichi_gs.errors import TgsError
from taichi_gs.format.bitstream import serialize
from taichi_gs.kernels import cache, runtime
from taichi_gs.model.channels import quantizers_of
from taichi_gs.model.quantized import COVARIANCE_CHANNELS, NUM_CHANNELS, QuantizedCodebook, QuantizedGaussians

PACKAGES = ("taichi", "torch", "numpy", "constriction", "pillow", "imageio", "click", "rich")
EXTRA_PACKAGES = ("pillow-heif", "pillow-jxl-plugin", "ssimulacra2", "ray")

NUM_THREADS = 4


def diagnose() -> dict[str, str]:
    """Return facts by name, in the order in which they are shown. Nothing that fails raises an error."""
    facts = {
        "taichi_gs": __version__,
        "Python": f"{platform.python_version()} ({sys.executable})",
        "system": f"{platform.platform()}, {os.cpu_count()} cores",
        **{name: _version(name) for name in (*PACKAGES, *EXTRA_PACKAGES)},
        "CUDA": _cuda(),
        "Vulkan": _finding("Taichi", has=_taichi_finds("vulkan")),
        "Metal": _finding("Taichi", has=_taichi_finds("metal")),
    }
    try:
        facts["device"] = runtime.start()
        facts["self-test"] = _test()
    except TgsError as error:
        facts["device"] = f"none: {error}"
    facts["cache of kernels"] = _cache()
    return facts


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _cuda() -> str:
    """Whether both that compute on a GPU find one."""
    found = {"Taichi": _taichi_finds("cuda")}
    try:
        from taichi_gs.fit.device import finds_cuda
    except ImportError:
        return "PyTorch cannot be imported"
    found["PyTorch"] = finds_cuda()
    return ", ".join(_finding(name, has=has) for name, has in found.items())


def _taichi_finds(arch: runtime.Arch) -> bool:
    return runtime.call(runtime.finds, arch)


def _finding(name: str, *, has: bool) -> str:
    return f"{name} {'finds' if has else 'does not find'} it"


def _cache() -> str:
    folder = cache.open_cache()
    if folder is None:
        return "none: its folder cannot be written, and each process compiles its kernels"
    kernels = list(folder.glob("*.tic"))
    size = sum(path.stat().st_size for path in kernels) / 2**20
    return f"{folder} ({len(kernels)} kernels, {size:.1f} MiB)"


def _test() -> str:
    """Decode a file in several threads at once, and compare its pixels with what they must be."""
    data, started = serialize(_gray_disc()), time.perf_counter()
    with ThreadPoolExecutor(NUM_THREADS) as pool:
        pictures = list(pool.map(lambda _: TgsFile(data).draw(), range(NUM_THREADS)))
    seconds = time.perf_counter() - started
    center, corner = (int(pictures[0][position]) for position in ((16, 16), (0, 0)))
    # The weight of the Gaussian there is 1 - 1/64, that of the background 1/16; see `model/gaussians.py`.
    is_right = abs(center - 240) <= 1 and corner == 0 and all(np.array_equal(pictures[0], other) for other in pictures)
    return f"{'passed' if is_right else 'FAILED'}: {NUM_THREADS} threads decoded a file in {seconds:.2f} s"


def _gray_disc() -> QuantizedGaussians:
    """One white Gaussian in the middle of a black picture of 33 x 33 pixels."""
    quantizers = quantizers_of([0] * NUM_CHANNELS, 0, "normalized", is_gray=True)
    # With the largest steps: m = 4, u = v = 0, Y = 1, and an amplitude of 1.
    symbols = np.array([[5, 2, 2, 8, 0, 0, 1]])
    index = np.zeros(1, np.int64)
    covariances = QuantizedCodebook(symbols[:, :COVARIANCE_CHANNELS], quantizers[:COVARIANCE_CHANNELS])
    colors = QuantizedCodebook(symbols[:, COVARIANCE_CHANNELS:], quantizers[COVARIANCE_CHANNELS:])
    return QuantizedGaussians(
        image_size=(33, 33),
        background=np.zeros(3, np.uint8),
        blending="normalized",
        grid_size=(33, 33),
        cells=np.full((1, 2), 16),
        subdivision=0,
        offsets=np.zeros((1, 2), np.int64),
        covariance_codebook=covariances,
        covariance_indices=index,
        color_codebook=colors,
        color_indices=index,
        is_gray=True,
    )
