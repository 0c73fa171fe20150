"""The rooms of the house and what each may import, the package's public names, and what importing them costs."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import ROOT

import taichi_gs

ROOMS: dict[str, str] = {
    "taichi_gs.errors": "",
    "taichi_gs.files": "errors",
    "taichi_gs.model": "errors",
    "taichi_gs.format": "errors model",
    "taichi_gs.pictures": "errors files model",
    "taichi_gs.kernels": "errors model",
    "taichi_gs.decoder": "errors model format pictures kernels",
    "taichi_gs.fit": "errors model format kernels",
    "taichi_gs.encoder": "errors files model format pictures kernels decoder fit",
    "taichi_gs.codec": "errors files model format pictures kernels decoder encoder",
    "taichi_gs.diagnosis": "taichi_gs errors model format kernels decoder fit",
    "taichi_gs.integrations": "errors files model format pictures decoder encoder codec",
    "taichi_gs.viewer": "errors files format pictures decoder",
    "taichi_gs": "errors model format pictures decoder encoder codec integrations",
    "cli": "taichi_gs errors files model format pictures decoder encoder codec diagnosis integrations viewer",
    "fuzz": "taichi_gs errors files model format pictures kernels decoder codec benchmarks",
    "benchmarks": "taichi_gs errors files model format pictures kernels decoder fit encoder codec integrations cli",
}
"""What may be imported, beside its own modules, by a folder or by a module on top of the package; see
`docs/how-it-works.md`. The rooms of `taichi_gs` are named without it on the right."""

MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for folder in ("taichi_gs", "cli", "fuzz", "benchmarks")
    for path in sorted((ROOT / folder).rglob("*.py"))
}

PUBLIC_NAMES = """
    BitstreamError DeviceError EncoderConfig FileError FileInfo Gaussians ImageError LimitError Limits OptionError
    PRESETS Picture Progress QualityError QuantizedGaussians TgsError decode decode_picture encode imread imwrite info
    register_pillow
""".split()


def room_of(module: str) -> str:
    return max((room for room in ROOMS if f"{module}.".startswith(f"{room}.")), key=len)


def imported_names(tree: ast.AST, package: str) -> Iterator[str]:
    """The names that a file imports anywhere in it; `from a import b` gives `a.b`, whether b is a module or not."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # The one kind of relative import that there is: cli/ is also installed as taichi_gs.cli.
            assert node.level == 0 or (node.level == 1 and package == "cli")
            module = ".".join(filter(None, [package if node.level else "", node.module]))
            yield from (f"{module}.{alias.name}" for alias in node.names)


def imported_modules(module: str) -> set[str]:
    """The modules of this project that a module imports, wherever in it."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    names = imported_names(tree, module.partition(".")[0])
    known = {name if name in MODULES else name.rpartition(".")[0] for name in names}
    return known & MODULES.keys() - {module}


IMPORTS = {module: imported_modules(module) for module in MODULES}


def test_there_are_modules_in_every_room() -> None:
    assert {room_of(module) for module in MODULES} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    allowed = {room} | {f"taichi_gs.{name}" if f"taichi_gs.{name}" in ROOMS else name for name in ROOMS[room].split()}
    strangers = {
        (module, other)
        for module in MODULES
        if room_of(module) == room
        for other in IMPORTS[module]
        if room_of(other) not in allowed
    }
    assert strangers == set()


def test_no_module_imports_itself_in_a_circle() -> None:
    def reachable(module: str) -> set[str]:
        found: set[str] = set()
        waiting = set(IMPORTS[module])
        while waiting:
            found |= waiting
            waiting = {other for name in waiting for other in IMPORTS[name]} - found
        return found

    assert sorted(module for module in MODULES if module in reachable(module)) == []


@pytest.mark.parametrize(("package", "rooms"), [("torch", ["taichi_gs.fit"]), ("taichi", ["taichi_gs.kernels"])])
def test_who_imports_a_heavy_package_at_its_top(package: str, rooms: list[str]) -> None:
    """A process that decodes has no use for PyTorch, and one that shows a help text none for Taichi."""
    importing = set()
    for module, path in MODULES.items():
        top = ast.parse(path.read_text(encoding="utf-8")).body
        top = [inner for node in top for inner in (node.body if isinstance(node, ast.With) else [node])]
        statements = [node for node in top if isinstance(node, ast.Import | ast.ImportFrom)]
        names = imported_names(ast.Module(body=list(statements), type_ignores=[]), module.partition(".")[0])
        if module.startswith("taichi_gs") and any(f"{name}.".startswith(f"{package}.") for name in names):
            importing.add(room_of(module))
    assert sorted(importing) == rooms


def test_files_are_short() -> None:
    """A module has one job."""
    paths = [path for folder in ("taichi_gs", "cli", "tests") for path in (ROOT / folder).rglob("*.py")]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    assert len(lengths) > 100
    assert {path: length for path, length in lengths.items() if length > 400} == {}


def test_functions_are_short_and_take_few_parameters() -> None:
    """But for kernels: Taichi has no structures to pass on, and a loop that is split is slower."""
    found = []
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and not module.startswith("taichi_gs.kernels"):
                arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                # A command of the command line has a parameter for each of its options.
                is_command = module.startswith("cli") and bool(node.decorator_list)
                if (node.end_lineno or 0) - node.lineno > 60 or (len(arguments) > 7 and not is_command):
                    found.append(f"{module}.{node.name}")
    assert found == []


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
    submodules = {name.split(".")[1] for name in MODULES if name.startswith("taichi_gs.")}
    assert set(PUBLIC_NAMES).isdisjoint(submodules)


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        ("import taichi_gs", ["numpy", "PIL", "imageio", "constriction", "taichi", "torch"]),
        ("from taichi_gs import PRESETS, decode, info", ["PIL", "imageio", "taichi", "torch"]),
        ("import taichi_gs.decoder.decode", ["PIL", "imageio", "torch", "array_api_compat"]),
        ("import taichi_gs.pictures.read", ["PIL.ImageCms", "imageio", "taichi", "torch"]),
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
