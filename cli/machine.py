"""What this machine has for worker processes: cores and GPUs."""

from __future__ import annotations

import os
import subprocess


def count_cores() -> int:
    """The processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def list_gpus() -> list[str]:
    """The NVIDIA GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them; PyTorch would take a second."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name for name in visible.split(",") if name not in ("", "-1")]
    command = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.split()
    except (OSError, subprocess.SubprocessError):
        return []


def worker_environments(num_jobs: int | None, device: str, *, most: int) -> list[dict[str, str]]:
    """Environment variables for each of `num_jobs` processes, which share cores and GPUs evenly.

    None chooses the number: one a GPU, or where there is none one a core. There are at most `most`, for so many files.
    Of the GPUs that Vulkan or Metal find, Taichi takes the same one in every process.
    """
    gpus = list_gpus() if device in ("auto", "cuda") else []
    default = 1 if device in ("vulkan", "metal") else len(gpus) or count_cores()
    num_jobs = min(num_jobs or default, most)
    threads = str(max(1, count_cores() // num_jobs))
    environments = [{"TI_CPU_MAX_NUM_THREADS": threads, "OMP_NUM_THREADS": threads} for _ in range(num_jobs)]
    for index, environment in enumerate(environments if gpus else []):
        environment["CUDA_VISIBLE_DEVICES"] = gpus[index % len(gpus)]
    return environments
