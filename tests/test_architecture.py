"""The layers of the package, its public names, and what importing them costs."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import taichi_gs

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "taichi_gs"

# A module imports only from the rows above its own.
LAYERS = """
    errors
    gaussians
    projection
    quantized
    arrays
    lattice
    files
    icc
    picture
    images
    transparency
    metrics
    kernels
    kernels.runtime
    kernels.project
    kernels.blend
    kernels.strips
    kernels.tile_forward
    kernels.tile_backward
    kernels.blend_cpu
    kernels.tiles
    kernels.blend_cuda
    kernels.forms
    kernels.removal
    kernels.assign
    kernels.device_tiles
    kernels.tensors
    quantize
    entropy
    reader
    tail
    header
    payload
    bitstream
    view
    render
    codebook
    fit
    fit.losses
    fit.splats
    fit.initialize
    fit.target
    fit.densify
    fit.precision
    fit.config
    fit.free
    fit.pull
    fit.clustered
    fit.optimize
    fit.budget
    decoder
    fit.trials
    fit.quality
    presets
    encoder
    codec
    pillow
    integrations
    integrations.storage
    integrations.ray
    __init__
""".split()

PUBLIC_NAMES = """
    BitstreamError DeviceError EncoderConfig FileError FileInfo Gaussians ImageError LimitError Limits OptionError
    PRESETS Picture Progress QualityError QuantizedGaussians TgsError decode decode_picture encode imread imwrite info
    register_pillow
""".split()


def module_name(path: Path) -> str:
    parts = list(path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imported_modules(path: Path) -> Iterator[str]:
    """The modules of the package that a file imports anywhere in it, with the package's own name left out."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} has a relative import"
            # `from package import name` imports a module if there is one, and else something from the package.
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            first, _, rest = name.partition(".")
            if first == "taichi_gs":
                yield rest if rest in MODULES else rest.rpartition(".")[0] or "__init__"


def test_every_module_has_its_row() -> None:
    assert sorted(MODULES) == sorted(LAYERS)


@pytest.mark.parametrize("module", MODULES)
def test_modules_import_only_from_rows_above(module: str) -> None:
    allowed = LAYERS[: LAYERS.index(module)]
    assert sorted({name for name in imported_modules(MODULES[module]) if name not in allowed}) == []


def test_public_names() -> None:
    assert sorted(taichi_gs.__all__) == sorted(PUBLIC_NAMES)
    assert set(PUBLIC_NAMES) <= set(dir(taichi_gs))
    for name in PUBLIC_NAMES:
        value = getattr(taichi_gs, name)
        assert value.__doc__ or not callable(value)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        taichi_gs.nothing  # noqa: B018


def test_no_module_hides_a_public_name() -> None:
    """Importing a submodule sets an attribute of the package, which would hide a function of the same name."""
    assert set(PUBLIC_NAMES).isdisjoint(MODULES)


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        ("import taichi_gs", ["numpy", "PIL", "imageio", "constriction", "taichi", "torch"]),
        ("from taichi_gs import PRESETS, decode, info", ["PIL", "imageio", "taichi", "torch"]),
        ("import taichi_gs.decoder", ["PIL", "imageio", "torch", "array_api_compat"]),
        ("import taichi_gs.images", ["PIL.ImageCms", "imageio", "taichi", "torch"]),
        ("import cli", ["numpy", "rich", "imageio", "taichi", "torch"]),
    ],
)
def test_what_importing_does_not_import(python: Callable[..., Any], statement: str, unwanted: list[str]) -> None:
    result = python("-c", f"import sys; {statement}; print(*sorted(set(sys.modules) & set({unwanted})))")
    assert (result.stdout.strip(), result.stderr) == ("", "")


def test_encoding_does_not_import_pytorchs_compiler(python: Callable[..., Any]) -> None:
    """Nor SymPy: a process that encodes would spend its first seconds on them."""
    result = python(
        "-c",
        "import sys; import numpy as np; import taichi_gs; "
        "taichi_gs.encode(np.zeros((20, 24, 3), np.uint8), steps=10, num_gaussians=9); "
        "print(*sorted(set(sys.modules) & {'torch', 'torch._dynamo', 'sympy'}))",
    )
    assert (result.stdout.strip(), result.stderr) == ("torch", "")
