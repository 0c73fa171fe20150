"""The kernels one by one, and the runtime that starts them."""

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import taichi as ti
import torch
from numpy.typing import NDArray
from torch.utils._python_dispatch import TorchDispatchMode
from twins import CUTOFFS, random_splats, render_densely, taichi_gradients

from taichi_gs.errors import DeviceError, OptionError, TgsError
from taichi_gs.fit import tile_tensors as device_tiles
from taichi_gs.kernels import blend, runtime
from taichi_gs.kernels import blend_gpu as blend_cuda
from taichi_gs.kernels.dispatch import DTYPES, blend_kernels
from taichi_gs.kernels.projection import make_project
from taichi_gs.kernels.tiles import list_tiles
from taichi_gs.model.gaussians import Blending

PACKAGE = Path(runtime.__file__).parents[1]


@pytest.fixture(autouse=True)
def device() -> str:
    return runtime.start()


# Projection.


BLENDINGS: list[Blending] = ["alpha", "normalized"]


def projected(
    log_covariances: NDArray[Any], amplitudes: NDArray[Any], blending: Blending
) -> tuple[NDArray[Any], NDArray[Any]]:
    conics = np.full((len(amplitudes), 4), np.nan, amplitudes.dtype)
    extents = np.full((len(amplitudes), 2), np.nan, amplitudes.dtype)
    make_project(DTYPES[amplitudes.dtype.name], blending)(log_covariances, amplitudes, conics, extents)
    return conics, extents


def covariances_of(log_covariances: NDArray[Any]) -> NDArray[np.float64]:
    """The matrix exponential [N, 2, 2], by eigenvectors."""
    m, u, v = log_covariances.astype(np.float64).T
    values, vectors = np.linalg.eigh(np.stack([np.stack([m + u, v], -1), np.stack([v, m - u], -1)], -2))
    return np.einsum("nij,nj,nkj->nik", vectors, np.exp(values), vectors)


# m, u, v: round, nearly round, along x, y, the diagonals, thin ones, very small and very large ones.
SHAPES = np.array(
    [
        *([m, 0, 0] for m in (-4, 0, 2, 10)),
        *([1, u, v] for u, v in np.random.default_rng(0).normal(0, 1e-4, (10, 2))),
        *([2, r * np.cos(t), r * np.sin(t)] for r in (0.3, 0.49, 0.51, 2, 4.6) for t in np.arange(-4, 4) * np.pi / 4),
        *np.random.default_rng(1).normal(0, 2, (30, 3)),
    ]
)
AMPLITUDES = {
    "alpha": np.random.default_rng(2).uniform(0.01, 0.99, len(SHAPES)),
    "normalized": np.exp(np.random.default_rng(3).uniform(-4, 8, len(SHAPES))),
}


@pytest.mark.parametrize("blending", BLENDINGS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-7)])
def test_conics_are_the_inverse_covariance(dtype: type, tolerance: float, blending: Blending) -> None:
    amplitudes = AMPLITUDES[blending]
    conics, _ = projected(SHAPES.astype(dtype), amplitudes.astype(dtype), blending)
    factors = np.zeros((len(SHAPES), 2, 2))
    factors[:, 0, 0], factors[:, 0, 1], factors[:, 1, 1] = conics[:, :3].T.astype(np.float64)
    inverses = np.einsum("nki,nkj->nij", factors, factors) / (np.log2(np.e) / 2)
    # Inverse times covariance is the identity, up to the condition number.
    axes = np.exp(np.hypot(SHAPES[:, 1], SHAPES[:, 2]))
    error = np.abs(inverses @ covariances_of(SHAPES) - np.eye(2)).max(axis=(1, 2))
    assert (error / axes).max() < tolerance
    np.testing.assert_allclose(conics[:, 3], np.log2(amplitudes), rtol=0, atol=10 * tolerance)


@pytest.mark.parametrize("blending", BLENDINGS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 3e-6), (np.float64, 1e-7)])
def test_extents_are_where_weights_fall_to_the_cutoff(dtype: type, tolerance: float, blending: Blending) -> None:
    amplitudes = AMPLITUDES[blending]
    _, extents = projected(SHAPES.astype(dtype), amplitudes.astype(dtype), blending)
    covariances = covariances_of(SHAPES)
    deviations = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
    reaches = np.sqrt(2 * np.log(amplitudes / CUTOFFS[blending]))
    expected = reaches[:, None] * deviations
    np.testing.assert_allclose(extents, expected, rtol=tolerance)
    # By brute force: of the points on the contour of that weight, the one farthest along either axis.
    turn = np.linspace(0, 2 * np.pi, 20001)
    circle = np.stack([np.cos(turn), np.sin(turn)])
    for covariance, reach, extent in zip(covariances, reaches, extents, strict=True):
        contour = reach * np.linalg.cholesky(covariance) @ circle
        np.testing.assert_allclose(contour.max(axis=1), extent, rtol=1e-5)


@pytest.mark.parametrize("blending", BLENDINGS)
def test_extents_of_invisible_gaussians_are_negative(blending: Blending) -> None:
    amplitudes = np.array([0.999 * CUTOFFS[blending], 1.001 * CUTOFFS[blending], 1e-9], np.float32)
    _, extents = projected(np.zeros((3, 3), np.float32), amplitudes, blending)
    assert np.sign(extents).tolist() == [[-1, -1], [1, 1], [-1, -1]]


def exact_projection(log_covariances: torch.Tensor, amplitudes: torch.Tensor) -> torch.Tensor:
    """The conics [N, 4] by PyTorch in float64, differentiable also where the Gaussian is round."""
    m, u, v = log_covariances.unbind(dim=1)
    logarithms = torch.stack([torch.stack([m + u, v], 1), torch.stack([v, m - u], 1)], dim=1)
    factors = torch.linalg.cholesky(torch.linalg.matrix_exp(-logarithms) * (np.log2(np.e) / 2)).mT
    return torch.stack([factors[:, 0, 0], factors[:, 0, 1], factors[:, 1, 1], amplitudes.log2()], dim=1)


@pytest.mark.parametrize("blending", BLENDINGS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-5)])
def test_gradients_of_the_projection(dtype: torch.dtype, tolerance: float, blending: Blending, device: str) -> None:
    inputs = (SHAPES, AMPLITUDES[blending])
    grad = torch.randn(len(SHAPES), 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    exact = [torch.from_numpy(a).requires_grad_() for a in inputs]
    exact_projection(*exact).backward(grad)

    leaves = [torch.from_numpy(a).to(device, dtype).requires_grad_() for a in inputs]
    conics = torch.zeros(len(SHAPES), 4, dtype=dtype, device=device, requires_grad=True)
    extents = torch.zeros(len(SHAPES), 2, dtype=dtype, device=device)
    for leaf in leaves:
        leaf.grad = torch.zeros_like(leaf)
    conics.grad = grad.to(conics)
    make_project(DTYPES[str(dtype).removeprefix("torch.")], blending).grad(*leaves, conics, extents)
    for leaf, other in zip(leaves, exact, strict=True):
        assert leaf.grad is not None
        assert other.grad is not None
        scale = other.grad.reshape(len(SHAPES), -1).abs().amax(dim=1).clamp_min(1e-3)
        error = (leaf.grad.cpu() - other.grad).reshape(len(SHAPES), -1).abs().amax(dim=1)
        assert float((error / scale).max()) < tolerance


# Blending.

exp2 = blend.exp2_f32


@ti.kernel
def exp2_of(powers: ti.types.ndarray(dtype=ti.f32, ndim=1), values: ti.types.ndarray(dtype=ti.f32, ndim=1)):  # type: ignore
    for i in powers:
        values[i] = exp2(powers[i])


def test_exp2() -> None:
    powers = np.concatenate([np.linspace(-125.99, 0, 100_001), -np.arange(126.0), [-1e-7, -7.9943534]]).astype(
        np.float32
    )
    values = np.zeros_like(powers)
    exp2_of(powers, values)
    np.testing.assert_allclose(values, np.exp2(powers.astype(np.float64)), rtol=2.5e-7)
    assert values.max() <= 1


def test_exp2_at_the_cutoff_of_normalized_blending() -> None:
    """Of all numbers from there to twice that, in units of 2**16: no weight is negative, and the first is 0."""
    powers = np.arange(-22, -21, 2.0**-19).astype(np.float32)
    values = np.zeros_like(powers)
    exp2_of(powers, values)
    assert (powers[0], values.min()) == (-22, values[0])


@pytest.mark.parametrize("blending", BLENDINGS)
@pytest.mark.parametrize("form", ["cpu", "cuda"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-5), (torch.float64, 1e-6)])
def test_backward_is_taichis_own(
    form: str, dtype: torch.dtype, tolerance: float, blending: Blending, device: str
) -> None:
    if device == "cuda" and form == "cpu":
        pytest.skip("Taichi runs on CUDA in this process")
    size, num_gaussians = (32, 48), 40
    splats = random_splats(num_gaussians, size, seed=20)
    order = np.arange(num_gaussians)
    conics, extents = projected(splats.log_covariances.numpy(), splats.amplitudes.numpy(), blending)
    grad_image = torch.randn(3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    picture, expected = taichi_gradients(
        splats.means, torch.from_numpy(conics), splats.colors, splats.background, grad_image, blending
    )
    # The oracle is right about the picture, at least.
    torch.testing.assert_close(picture, render_densely(splats, order, size, blending), rtol=0, atol=1e-7)

    lists = list_tiles(splats.means.numpy(), extents, order, size)
    tile_offsets, tile_indices, *by_gaussian = (torch.from_numpy(array).to(device) for array in lists)
    floats = (splats.means, torch.from_numpy(conics), torch.from_numpy(extents), splats.colors)
    inputs = [*(t.to(device, dtype) for t in floats), tile_offsets, tile_indices]
    kernels = blend_kernels(DTYPES[str(dtype).removeprefix("torch.")], form, blending)
    image = torch.empty(blend.PLANES[blending], *size, dtype=dtype, device=device)
    kernels.forward(*inputs[:4], splats.background.to(device, dtype), *inputs[4:], image)
    torch.testing.assert_close(image[:3].cpu().double(), picture, rtol=0, atol=tolerance)

    grad_pairs, grad_background = kernels.backward(*inputs, image, grad_image.to(image))
    found = [torch.full((num_gaussians, k), np.nan, dtype=dtype, device=device) for k in (2, 4, 3)]
    blend.make_sum_pairs(DTYPES[str(dtype).removeprefix("torch.")])(grad_pairs, *by_gaussian, *found)
    for one, other in zip([*found, grad_background], expected, strict=True):
        scale = float(other.abs().max())
        assert scale > 0.1
        torch.testing.assert_close(one.cpu().double(), other, rtol=0, atol=tolerance * scale)


class NewTensors(TorchDispatchMode):
    """The shapes of what PyTorch allocates in three dimensions while this is entered."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[int, ...]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func.overloadpacket.__name__ == "new_empty" and result.ndim == 3:
            self.shapes.append(tuple(result.shape))
        return result


@pytest.mark.parametrize("blending", BLENDINGS)
def test_the_cuda_form_keeps_any_number_of_pairs_at_a_time(
    blending: Blending, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From one to more than there are: neither memory nor the portions that it allows change a bit."""
    size, num_gaussians = (37, 50), 30
    splats = random_splats(num_gaussians, size, seed=21)
    conics, extents = projected(splats.log_covariances.numpy(), splats.amplitudes.numpy(), blending)
    floats = (splats.means, torch.from_numpy(conics), torch.from_numpy(extents), splats.colors)
    inputs = [t.to(device, torch.float32) for t in floats]
    lists = device_tiles.list_tiles(inputs[0], inputs[2], None, size)
    inputs += [lists.tile_offsets, lists.tile_indices]
    kernels = blend_kernels(ti.f32, "cuda", blending)
    image = torch.empty(blend.PLANES[blending], 48, 64, device=device)
    kernels.forward(*inputs[:4], splats.background.to(image), *inputs[4:], image)
    grad_image = torch.randn(3, 48, 64, generator=torch.Generator().manual_seed(0)).to(device)
    whole = kernels.backward(*inputs, image, grad_image)
    assert len(whole[0]) > 2 * 13
    pair_bytes = 4 * (16 * 6 if blending == "normalized" else 16 * 6 + 2 * 256)
    for num_bytes in (0, pair_bytes, 13 * pair_bytes, 14 * pair_bytes - 1, len(whole[0]) * pair_bytes):
        monkeypatch.setattr(blend_cuda, "MAX_SCRATCH_BYTES", num_bytes)
        with NewTensors() as new:
            parts = kernels.backward(*inputs, image, grad_image)
        portions = [shape[1] for shape in new.shapes if shape[0] == blend_cuda.NUM_COLUMN_SUMS]
        assert (max(portions), sum(portions)) == (max(1, num_bytes // pair_bytes), len(whole[0]))
        for one, other in zip(parts, whole, strict=True):
            assert torch.equal(one, other)


def test_sums_of_pairs(device: str) -> None:
    """Gaussian 2 is first and has two pairs, 0 has none, 1 has one."""
    pairs = torch.arange(27.0, device=device).reshape(3, 9)
    lists = ([2, 0, 1], [0, 2, 2, 3], [2, 0, 1])
    order, rank_offsets, rank_pairs = (torch.tensor(a, dtype=torch.int32, device=device) for a in lists)
    sums = [torch.full((3, k), np.nan, device=device) for k in (2, 4, 3)]
    blend.make_sum_pairs(ti.f32)(pairs, order, rank_offsets, rank_pairs, *sums)
    expected = torch.stack([torch.zeros(9), torch.arange(9.0, 18), 2 * torch.arange(9.0) + 18])
    torch.testing.assert_close(torch.cat(sums, dim=1).cpu(), expected)


# Runtime.


def test_starting_again_returns_the_same(device: str) -> None:
    assert device in ("cpu", "cuda")
    assert runtime.start() == runtime.start("auto") == runtime.start(device) == device
    other = "cpu" if device == "cuda" else "cuda"
    with pytest.raises(DeviceError, match=f"already runs on {device}: use another process for {other}"):
        runtime.start(other)


@pytest.mark.parametrize("name", ["gpu", "", "CPU", "cuda:1"])
def test_unknown_devices(name: str) -> None:
    with pytest.raises(OptionError, match=r"unknown device .*: choose auto, cpu or cuda"):
        runtime.start(name)
    assert issubclass(OptionError, TgsError)


def test_cuda_that_is_missing(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    monkeypatch.setattr(runtime, "_arch", None)
    monkeypatch.setattr(runtime, "_has_cuda", lambda taichi: False)
    with pytest.raises(DeviceError, match="no CUDA device was found"):
        runtime.start("cuda")
    # The failure left nothing behind.
    assert runtime._arch is None
    monkeypatch.undo()
    assert runtime.start() == device


@pytest.mark.parametrize(
    "statement",
    [
        "from taichi_gs.kernels import dispatch, tiles; from taichi_gs.kernels.runtime import start; start()",
        "from taichi_gs.fit import render; render.runtime.start()",
    ],
)
def test_starting_is_silent(python: Callable[..., Any], statement: str) -> None:
    result = python("-c", statement)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_version_check_is_off_and_the_cache_is_where_it_belongs(
    python: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("TI_SKIP_VERSION_CHECK", raising=False)
    result = python(
        "-c",
        "import os; from taichi_gs.kernels.runtime import start; start('cpu'); import taichi; "
        "print(os.environ['TI_SKIP_VERSION_CHECK'], taichi.cfg.offline_cache_file_path)",
    )
    assert result.stdout.split() == ["ON", str(tmp_path / "cache" / "taichi_gs" / "kernels")]


def test_taichi_that_cannot_start_is_a_device_error(python: Callable[..., Any]) -> None:
    program = """
from taichi_gs import DeviceError
from taichi_gs.kernels import runtime
import taichi
def fail(**options):
    raise RuntimeError("no address\\n space")
taichi.init = fail
try:
    runtime.start("cpu")
except DeviceError as error:
    print(error)
"""
    assert python("-c", program).stdout == "Taichi cannot start: no address space\n"


def test_errors_in_other_kernels_keep_their_excerpts(device: str) -> None:
    """Only for its own kernels does the package spare Taichi the excerpts of their source."""
    assert device

    @ti.kernel
    def broken() -> ti.i32:
        return nothing_of_that_name  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(
        ti.TaichiNameError, match=r"test_kernels\.py.*in broken:\n +return nothing_of_that_name.*\n +\^"
    ):
        broken()


def test_only_kernels_import_taichi() -> None:
    """At the top of a file, that is: importing the kernels' package silences taichi's banner, which must come first."""
    importers = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Import) and "taichi" in [alias.name.partition(".")[0] for alias in node.names]:
                importers.add(path.parent.name)
            assert not (isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] == "taichi")
    assert importers == {"kernels"}
