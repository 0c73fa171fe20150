"""Decoding and encoding from threads, in forked processes, and in environments of any kind."""

from __future__ import annotations

import json
import os
import pty
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, WITH_TAICHI, checkout_environment, read_all

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system with fork")

BEGIN = "import hashlib, os, sys, threading, time; import numpy as np; import taichi_gs; from pathlib import Path\n"
PICTURE = "picture = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)\n"


@pytest.fixture
def run(python: Callable[..., Any], tmp_path: Path, encoded: bytes) -> Callable[[str], str]:
    """Run a program in a fresh process, which finds a file as `data`; return what it prints, if it ends well."""
    (tmp_path / "a.tgs").write_bytes(encoded)

    def run(program: str) -> str:
        result = python("-c", f"{WITH_TAICHI}{BEGIN}data = Path('a.tgs').read_bytes()\n{PICTURE}{program}")
        assert (result.returncode, result.stderr) == (0, "")
        return str(result.stdout)

    return run


def test_many_threads_decode_at_once_before_any_kernel_is_compiled(run: Callable[[str], str]) -> None:
    printed = run(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(8) as pool: results = list(pool.map(taichi_gs.decode, [data] * 32))\n"
        "print(len(results), {result.tobytes() for result in results} == {taichi_gs.decode(data).tobytes()})"
    )
    assert printed == "32 True\n"


def test_threads_encode_as_one_would(run: Callable[[str], str]) -> None:
    printed = run(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "encode = lambda seed: taichi_gs.encode(picture, preset='fast', steps=20, k=8, seed=seed)\n"
        "with ThreadPoolExecutor(4) as pool: files = list(pool.map(encode, range(4)))\n"
        "print(files == list(map(encode, range(4))), len(set(files)))"
    )
    assert printed == "True 4\n"


def test_errors_and_results_reach_the_thread_that_asked(run: Callable[[str], str]) -> None:
    printed = run(
        "class Enough(Exception): pass\n"
        "def stop(progress):\n"
        "    if progress.step == 5: raise Enough\n"
        "try: taichi_gs.encode(picture, preset='fast', progress=stop)\n"
        "except Enough: print('stopped', taichi_gs.decode(data).shape)"
    )
    assert printed == "stopped (24, 32, 3)\n"


@pytest.mark.parametrize("function", ["decode", "encode", "encode to a quality"])
def test_a_forked_process_starts_anew(run: Callable[[str], str], function: str) -> None:
    """As the workers of multiprocessing's pools and of PyTorch's data loaders do on Linux."""
    work = {
        "decode": "taichi_gs.decode(data).tobytes()",
        "encode": "taichi_gs.encode(picture, preset='fast', steps=20)",
        "encode to a quality": "taichi_gs.encode(picture, preset='fast', steps=20, quality=20)",
    }
    printed = run(
        f"import multiprocessing\ndef work(_): return {work[function]}\n"
        "expected = work(0)\n"
        "with multiprocessing.get_context('fork').Pool(2) as pool: results = pool.map(work, range(4))\n"
        "print(results == [expected] * 4, work(0) == expected)"
    )
    assert printed == "True True\n"


def test_a_process_that_is_forked_while_kernels_run_is_told_so_at_once(run: Callable[[str], str]) -> None:
    printed = run(
        "running = threading.Event()\n"
        "thread = threading.Thread(target=lambda: taichi_gs.encode(\n"
        "    picture, preset='fast', steps=3000, progress=lambda progress: running.set() or time.sleep(0.0002)))\n"
        "thread.start(); running.wait()\n"
        "process = os.fork()\n"
        "if process == 0:\n"
        "    try: taichi_gs.decode(data)\n"
        "    except taichi_gs.DeviceError as error: print(error, flush=True)\n"
        "    os._exit(0)\n"
        "print(os.waitpid(process, 0)[1]); thread.join()"
    )
    sentence = "this process was forked while kernels were running: start processes with the method spawn"
    assert printed == f"{sentence}\n0\n"


@pytest.mark.parametrize("call", ["taichi_gs.decode(data)", "taichi_gs.encode(picture, preset='fast', steps=20)"])
def test_the_callers_thread_keeps_its_denormal_numbers(run: Callable[[str], str], call: str) -> None:
    assert run(f"{call}\nprint(float(np.float64(2.0**-1060) * 0.5) == 2.0**-1061)") == "True\n"


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="only Linux keeps threads on cores")
@pytest.mark.parametrize("cores_left_out", [0, 1])
def test_each_thread_that_computes_has_a_core_of_its_own(
    run: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, cores_left_out: int
) -> None:
    cores = sorted(os.sched_getaffinity(0))
    num_threads = len(cores) - cores_left_out
    if len(cores) < 2:
        pytest.skip("there is one core")
    monkeypatch.setenv("TI_CPU_MAX_NUM_THREADS", str(num_threads))
    printed = run(
        "import json\n"
        "folder = Path('/proc/self/task')\n"
        "def time_of(own): return int((own / 'schedstat').read_text().split()[0])\n"
        "def times(): return {int(own.name): time_of(own) for own in folder.iterdir()}\n"
        "def encode(): taichi_gs.encode(np.tile(picture, (8, 8, 1)), preset='fast', steps=20, device='cpu')\n"
        "encode(); before = times(); encode(); after = times()\n"
        "pythons = {thread.native_id for thread in threading.enumerate()}\n"
        "others = sorted(set(before) - pythons, key=lambda thread: after[thread] - before[thread])\n"
        "print(json.dumps([sorted(os.sched_getaffinity(thread)) for thread in [*others, *pythons]]), len(pythons))"
    )
    text, num_pythons = printed.rsplit(" ", 1)
    sets = json.loads(text)
    computing = slice(len(sets) - int(num_pythons) - num_threads, len(sets) - int(num_pythons))
    assert sorted(sets[computing]) == ([[core] for core in cores] if cores_left_out == 0 else [cores] * num_threads)
    del sets[computing]
    assert sets == [cores] * len(sets)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="only Linux keeps threads on cores")
@pytest.mark.parametrize("missing", ["leave to ask", "leave to set", "the folder of threads"])
def test_threads_are_left_alone_where_they_cannot_be_pinned(run: Callable[[str], str], missing: str) -> None:
    """As in sandboxes."""
    refusal = "def refuse(*_): raise PermissionError\n"
    stand_ins = {
        "leave to ask": f"{refusal}os.sched_getaffinity = refuse",
        "leave to set": f"{refusal}os.sched_setaffinity = refuse",
        "the folder of threads": "from taichi_gs.kernels import pinning; pinning._TASKS = '/missing'",
    }
    printed = run(
        "cores, ask = sorted(os.sched_getaffinity(0)), os.sched_getaffinity\n"
        f"{stand_ins[missing]}\n"
        "print(taichi_gs.encode(picture, preset='fast', steps=20, device='cpu')[:3])\n"
        "print(all(sorted(ask(int(thread))) == cores for thread in os.listdir('/proc/self/task')))"
    )
    assert printed == "b'\\x89TG'\nTrue\n"


@pytest.mark.parametrize(
    "variable",
    [
        "TI_ARCH=cuda",
        "TI_ARCH=nonsense",
        "TI_CPU_MAX_NUM_THREADS=0",
        "TI_CPU_MAX_NUM_THREADS=many",
        "TI_DEBUG=1",
        "TI_DEFAULT_FP=64",
        "TI_FAST_MATH=1",
        "TI_LOG_LEVEL=trace",
        "TI_PRINT_IR=1",
        "TI_SKIP_VERSION_CHECK=1",
        "ENABLE_TAICHI_HEADER_PRINT=1",
    ],
)
def test_variables_of_taichi_change_nothing(
    run: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    program = "print(hashlib.sha256(taichi_gs.decode(data).tobytes()).hexdigest())"
    expected = run(program)
    monkeypatch.setenv(*variable.split("="))
    assert run(program) == expected
    assert run("taichi_gs.decode(data); print(os.environ.get('TI_ARCH'))").strip() == os.environ.get("TI_ARCH", "None")


def test_a_terminal_shows_nothing_of_taichi(tmp_path: Path, encoded: bytes) -> None:
    """It wraps sys.stdout while it is imported, if Rich has replaced that, and says so."""
    (tmp_path / "a.tgs").write_bytes(encoded)
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(tmp_path)
        os.environ.update(checkout_environment(), TERM="xterm", COLUMNS="80")
        program = (
            f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{WITH_TAICHI}"
            "from rich.progress import Progress\n"
            "with Progress(transient=True) as bars: taichi_gs.decode('a.tgs')"
        )
        os.execv(sys.executable, [sys.executable, "-c", program])
    shown = read_all(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    assert b"aichi" not in shown
    assert b"shell" not in shown
