"""Pictures as small networks, which the paper's Table 2 compares with: COIN and WIRE.

A network takes the coordinates of a pixel and returns its colour. To encode a picture is to train one, and the file is
its weights. This is written from the papers' descriptions: COIN is Dupont et al. 2021, https://arxiv.org/abs/2103.03123,
with the sines of SIREN, Sitzmann et al. 2020, https://arxiv.org/abs/2006.09661. WIRE is Saragadam et al. 2023,
https://arxiv.org/abs/2301.05187.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from taichi_gs.model.levels import to_levels

CHUNK = 4096
"""Pixels that a processor computes at a time, so that what a layer makes of them stays in its caches."""


class Siren(nn.Module):
    """Layers of sines, and a linear one: x -> sin(30 (W x + b)) (SIREN, section 3.2).

    Args:
        depth: layers of sines.
        width: of each.
    """

    FREQUENCY = 30.0

    def __init__(self, depth: int, width: int) -> None:
        super().__init__()
        sides = [2, *[width] * depth, 3]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sides))
        for index, layer in enumerate(self.layers):
            # What keeps the distribution of activations the same from layer to layer (SIREN, theorem 1.8). COIN's
            # authors take biases from the same range.
            fan_in = sides[index]
            bound = 1.0 / fan_in if index == 0 else math.sqrt(6.0 / fan_in) / self.FREQUENCY
            for parameter in layer.parameters():
                nn.init.uniform_(parameter, -bound, bound)

    def forward(self, coordinates: Tensor) -> Tensor:
        """Return the colours [N, 3] at coordinates [N, 2] from -1 to 1."""
        x = coordinates
        for layer in self.layers[:-1]:
            x = torch.sin(self.FREQUENCY * layer(x))
        colors: Tensor = self.layers[-1](x)
        return colors


class Wavelets(nn.Module):
    """Layers of complex Gabor wavelets, and a linear one: z -> exp(i w z - |s z|^2) (WIRE, section 3).

    The first layer has real weights, and the others complex ones.

    Args:
        depth: layers after the first.
        width: of each.
    """

    FREQUENCY, SHARPNESS = 20.0, 30.0
    """What the authors suggest for pictures."""

    def __init__(self, depth: int, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(2, width)
        sides = [*[width] * (depth + 1), 3]
        self.others = nn.ModuleList(nn.Linear(a, b, dtype=torch.complex64) for a, b in itertools.pairwise(sides))

    def forward(self, coordinates: Tensor) -> Tensor:
        """Return the colours [N, 3] at coordinates [N, 2] from -1 to 1."""
        z = self._wavelet(self.first(coordinates).to(torch.complex64))
        for layer in self.others[:-1]:
            z = self._wavelet(layer(z))
        colors: Tensor = self.others[-1](z).real
        return colors

    def _wavelet(self, z: Tensor) -> Tensor:
        # As a modulus and an angle: for real numbers the functions are several times as fast as complex ones.
        squares = z.real.square() + z.imag.square()
        modulus = torch.exp(-self.FREQUENCY * z.imag - self.SHARPNESS**2 * squares)
        return torch.polar(modulus, self.FREQUENCY * z.real)


@dataclass(frozen=True)
class Network:
    """A codec of this kind.

    Attributes:
        name: what tables call it.
        make: returns an untrained network.
        steps: of Adam (Kingma and Ba 2015), as in its paper.
        learning_rate: at the start, for all pixels at once. A batch has less of it, as much as it has fewer pixels.
        last_rate: the factor of the learning rate at the end.
        batch: pixels of a step, chosen at random; None is all of them.
        dtype: of the weights in a file.
    """

    name: str
    make: Callable[[], nn.Module]
    steps: int
    learning_rate: float
    last_rate: float
    batch: int | None
    dtype: Any

    @property
    def num_bytes(self) -> int:
        """The size of a file."""
        return len(packed(self, self.make()))


COIN = Network("COIN", lambda: Siren(5, 20), 50_000, 2e-4, 1.0, None, np.float16)
"""The smallest network that COIN's authors recommend. Table 2 prints 7.2120 K, its 1803 parameters in 32 bits. COIN's
paper stores 16 bits."""

WIRE = Network("WIRE", lambda: Wavelets(2, 62), 12_000, 5e-3, 0.1, 65_536, np.float32)
"""WIRE's depth, and the width whose file is next below the 65.4033 K of Table 2, which does not say what it had. The
steps are the authors' 2000 passes over 6 batches."""

NETWORKS = (COIN, WIRE)


class Limits(NamedTuple):
    """When training ends, beside the network's own number of steps.

    Attributes:
        seconds: that it takes.
        psnr: in dB, of all pixels of a step; None if no quality is enough.
        steps: at most; None is the network's own.
    """

    seconds: float
    psnr: float | None = None
    steps: int | None = None


class Trained(NamedTuple):
    """A network, after how many steps training ended, and what ended it: "steps", "time" or "quality"."""

    network: nn.Module
    steps: int
    ended_by: str


def train(network: Network, picture: NDArray[np.uint8], limits: Limits, seed: int = 0) -> Trained:
    """Fit a network to a picture [H, W, 3] with Adam and the mean squared error, on one thread if not on a GPU.

    Tensors of CHUNK pixels are too small to share, and pictures can be trained side by side.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    device = best_device()
    model = network.make().to(device)
    coordinates = coordinates_of(picture.shape[:2]).to(device)
    colors = torch.from_numpy(picture.reshape(-1, 3).astype(np.float32) / 255.0).to(device)
    batches = _batches(len(colors), network.batch, device)
    rate = network.learning_rate * min(1.0, (network.batch or len(colors)) / len(colors))
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    most = network.steps if limits.steps is None else limits.steps
    best = _Best(model)
    started = time.perf_counter()
    for step in range(most):
        # A limit of time ends a run as the last step does, so the learning rate goes down with either.
        progress = max(step / most, (time.perf_counter() - started) / limits.seconds)
        if progress >= 1.0:
            return Trained(best.restore(), step, "time")
        optimizer.param_groups[0]["lr"] = rate * network.last_rate**progress
        optimizer.zero_grad()
        error = _differentiate(model, coordinates, colors, next(batches))
        if limits.psnr is not None and -10.0 * math.log10(max(error, 1e-12)) >= limits.psnr:
            return Trained(model, step, "quality")
        if network.batch is None and progress >= 0.5:
            best.look_at(error)
        optimizer.step()
    return Trained(best.restore(), most, "steps")


class _Best:
    """The weights of a network when its error was the least. Without a decay, the last ones are rarely the best."""

    def __init__(self, model: nn.Module) -> None:
        self._model, self._error, self._weights = model, math.inf, dict[str, Tensor]()

    def look_at(self, error: float) -> None:
        """Keep the weights if their error is the least of those that were looked at."""
        if error < self._error:
            self._error = error
            self._weights = {name: weight.clone() for name, weight in self._model.state_dict().items()}

    def restore(self) -> nn.Module:
        """Return the network with the best weights, or as it is if none were looked at."""
        if self._weights:
            self._model.load_state_dict(self._weights)
        return self._model


def packed(network: Network, model: nn.Module) -> bytes:
    """The file of a network: its weights, one after the other. Its shape is known to the decoder."""
    return b"".join(numbers.astype(network.dtype).tobytes() for numbers in map(_numbers, model.parameters()))


def unpack(network: Network, data: bytes) -> nn.Module:
    """The network that a file holds."""
    model = network.make()
    numbers, first = np.frombuffer(data, network.dtype).astype(np.float32), 0
    with torch.no_grad():
        for parameter in model.parameters():
            count = _numbers(parameter).size
            values = torch.from_numpy(numbers[first : first + count].copy())
            first += count
            if parameter.is_complex():
                values = torch.view_as_complex(values.reshape(-1, 2))
            parameter.copy_(values.reshape(parameter.shape))
    return model.to(best_device())


def draw(model: nn.Module, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The picture [H, W, 3] of a network, for a size (H, W)."""
    coordinates = coordinates_of(size).to(best_device())
    with torch.inference_mode():
        colors = torch.cat([model(part) for part in _parts(coordinates)])
    image: NDArray[np.uint8] = to_levels(colors.cpu().numpy()).astype(np.uint8).reshape(*size, 3)
    return image


def coordinates_of(size: tuple[int, ...]) -> Tensor:
    """The coordinates (x, y) of all pixels [H W, 2], from -1 at the first to 1 at the last."""
    rows, columns = (torch.linspace(-1.0, 1.0, side) for side in size)
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack((x, y), dim=-1).reshape(-1, 2)


def best_device() -> torch.device:
    """CUDA if there is one: such networks were made for it."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _differentiate(model: nn.Module, coordinates: Tensor, colors: Tensor, pixels: Tensor) -> float:
    """Return the mean squared error of some pixels, and add its gradient to that of the parameters."""
    loss = 0.0
    for part in _parts(pixels):
        error = (model(coordinates[part]) - colors[part]).square().sum() / (3 * len(pixels))
        error.backward()
        loss += float(error.detach())
    return loss


def _parts(pixels: Tensor) -> tuple[Tensor, ...]:
    """Pixels, one a row, in portions for a processor, or all at once for a GPU."""
    return torch.split(pixels, CHUNK if pixels.device.type == "cpu" else len(pixels))


def _batches(count: int, size: int | None, device: torch.device) -> Iterator[Tensor]:
    """Endless batches of pixels: all of them, or parts of one random order after the other."""
    while size is None:
        yield torch.arange(count, device=device)
    while True:
        yield from torch.split(torch.randperm(count, device=device), size)


def _numbers(parameter: Tensor) -> NDArray[np.float32]:
    """The real numbers of a parameter, in one row."""
    real = torch.view_as_real(parameter) if parameter.is_complex() else parameter
    numbers: NDArray[np.float32] = real.detach().cpu().numpy().ravel()
    return numbers
