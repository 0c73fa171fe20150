"""The kernels that blend Gaussians and differentiate that, in both of their forms."""

from typing import Any

import numpy as np
import pytest
import torch
from kernel_inputs import BLENDINGS, projected
from torch.utils._python_dispatch import TorchDispatchMode
from twins import random_splats, render_densely, taichi_gradients

from taichi_gs.fit import tile_tensors as tile_tensors
from taichi_gs.kernels import blend, blend_gpu
from taichi_gs.kernels.dispatch import DTYPES, blend_kernels
from taichi_gs.kernels.taichi import ti
from taichi_gs.kernels.tiles import list_tiles
from taichi_gs.model.blending import Blending

pytestmark = pytest.mark.usefixtures("device")

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
    tile_offsets, tile_indices = (torch.from_numpy(array).to(device) for array in lists[:2])
    floats = (splats.means, torch.from_numpy(conics), torch.from_numpy(extents), splats.colors)
    inputs = [*(t.to(device, dtype) for t in floats), tile_offsets, tile_indices]
    kernels = blend_kernels(DTYPES[str(dtype).removeprefix("torch.")], form, blending)
    image = torch.empty(blend.PLANES[blending], *size, dtype=dtype, device=device)
    kernels.forward(*inputs[:4], splats.background.to(device, dtype), *inputs[4:], image)
    torch.testing.assert_close(image[:3].cpu().double(), picture, rtol=0, atol=tolerance)

    grad_pairs, grad_background = kernels.backward(*inputs, image, grad_image.to(image))
    sums = torch.zeros(num_gaussians, blend.NUM_GRADS, dtype=dtype, device=device)
    sums.index_add_(0, tile_indices.long(), grad_pairs)
    for one, other in zip([*sums.split((2, 4, 3), dim=1), grad_background], expected, strict=True):
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
    lists = tile_tensors.list_tiles(inputs[0], inputs[2], None, size)
    inputs += [lists.tile_offsets, lists.tile_indices]
    kernels = blend_kernels(ti.f32, "gpu", blending)
    image = torch.empty(blend.PLANES[blending], 48, 64, device=device)
    kernels.forward(*inputs[:4], splats.background.to(image), *inputs[4:], image)
    grad_image = torch.randn(3, 48, 64, generator=torch.Generator().manual_seed(0)).to(device)
    whole = kernels.backward(*inputs, image, grad_image)
    assert len(whole[0]) > 2 * 13
    pair_bytes = 4 * (16 * 6 if blending == "normalized" else 16 * 6 + 2 * 256)
    for num_bytes in (0, pair_bytes, 13 * pair_bytes, 14 * pair_bytes - 1, len(whole[0]) * pair_bytes):
        monkeypatch.setattr(blend_gpu, "MAX_SCRATCH_BYTES", num_bytes)
        with NewTensors() as new:
            parts = kernels.backward(*inputs, image, grad_image)
        portions = [shape[1] for shape in new.shapes if shape[0] == blend_gpu.NUM_COLUMN_SUMS]
        assert (max(portions), sum(portions)) == (max(1, num_bytes // pair_bytes), len(whole[0]))
        for one, other in zip(parts, whole, strict=True):
            assert torch.equal(one, other)
