"""The decoder as a target of atheris (libFuzzer for Python); `fuzz/run.py` starts it.

    python -m fuzz.decode_target FOLDER ... [LIBFUZZER OPTION ...]
    python -m fuzz.decode_target FILE           decode one file, such as a finding

Everything in `taichi_gs` is instrumented but for the kernels, which are not run as Python. Inputs are changed half by
libFuzzer, with checksums repaired, and half by `fuzz/mutations.py`. Pictures are limited to 2^20 pixels here, so that
time goes into what is new; larger ones are decoded by `fuzz/mutate.py`.
"""

from __future__ import annotations

import functools
import os
import sys
from random import Random

MAX_PIXELS = 1 << 20

KERNELS = """
    assign blend blend_cpu blend_gpu block_errors cost_cpu draw_cpu gradients half_tiles levels_cpu projection removal
    replacement row_steps sharing tile_backward tile_drawing tile_forward tile_lists
""".split()
"""Modules whose functions Taichi compiles from their source."""


def main(argv: list[str]) -> None:
    """Search until libFuzzer's options tell it to stop; it ends the process."""
    try:
        import atheris
    except ImportError:
        sys.exit("fuzz.decode_target needs atheris: pip install '.[fuzz]'")
    os.environ["TI_CPU_MAX_NUM_THREADS"] = "1"
    with atheris.instrument_imports(include=["taichi_gs"], exclude=[f"taichi_gs.kernels.{name}" for name in KERNELS]):
        import taichi_gs
        from fuzz.checks import examine, prepare_process
        from fuzz.mutations import mutate
        from fuzz.parts import repaired
        from fuzz.tally import CORPUS, read_seeds
        from taichi_gs.format.limits import Limits
        from taichi_gs.kernels import runtime

        limits = Limits(max_pixels=MAX_PIXELS)
        decode = functools.partial(taichi_gs.decode, device="cpu", limits=limits, grain=True)
        seeds = read_seeds(CORPUS)
        # This imports the rest, and loads the kernels, whose time then counts for no input.
        runtime.start("cpu")
        for seed in seeds:
            decode(seed)
    prepare_process()

    def target(data: bytes) -> None:
        findings = examine(data, decode).findings()
        # Machines are noisy: what takes too long is given a second chance.
        if findings and (findings := examine(data, decode).findings()):
            raise AssertionError("; ".join(findings))

    def mutator(data: bytes, max_size: int, number: int) -> bytes:
        random = Random(number)
        if len(data) > 6 and random.random() < 0.5:
            return repaired(atheris.Mutate(data, max_size))[:max_size]
        try:
            return mutate([data], random).data[:max_size]
        except ValueError:  # which is not laid out as a file
            return mutate(seeds, random).data[:max_size]

    atheris.Setup([sys.argv[0], *argv], target, custom_mutator=mutator, internal_libfuzzer=True)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
