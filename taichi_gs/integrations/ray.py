"""Pictures by the million: `Compress` and `Decompress` for `map_batches` of Ray Data, and the pipeline around them.

    from taichi_gs.integrations.ray import Compress, convert, list_files

    rows = list_files("s3://photos/2024", "s3://small/2024")
    results = convert(rows, Compress, num_workers=64, num_gpus=0.25, preset="fast")
    results.write_parquet("s3://small/2024-results")

Paths are whatever fsspec takes: of local files, or URLs. A picture that fails becomes a row that says why, and never
stops the others. Outputs appear whole or not at all, and those that are there already are skipped, so that the same
pipeline, run again after whatever stopped it, does the rest.

Ray comes with the extra `ray`. The classes do without it: called with a batch, they work in any process.
"""

from __future__ import annotations

import inspect
import math
import os
import posixpath
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import fsspec
import numpy as np
from numpy.typing import NDArray

from taichi_gs.codec import check_options, decode, decode_picture, encode, info
from taichi_gs.encoder.choices import Device
from taichi_gs.errors import DeviceError, OptionError, QualityError
from taichi_gs.files import quoted
from taichi_gs.format.limits import FORMAT_LIMITS
from taichi_gs.integrations.storage import Storage
from taichi_gs.pictures.convert import as_asked
from taichi_gs.pictures.metrics import bits_per_pixel, comparable_pixels, psnr
from taichi_gs.pictures.read import picture_from_bytes
from taichi_gs.pictures.suffixes import MAX_PIXELS, READ_SUFFIXES
from taichi_gs.pictures.write import check_image_suffix, image_to_bytes

if TYPE_CHECKING:
    from ray.data import Dataset

Batch = Mapping[str, NDArray[Any]]


class Row(NamedTuple):
    """What became of one file.

    Attributes:
        path, output: of the file, and of what it became.
        status: "written", "skipped" because the output was there already, or "failed".
        bytes: of the .tgs file; 0 where it is not known.
        bpp: bits per pixel of the .tgs file; NaN where it is not known.
        psnr: in dB, of the .tgs file against the picture in 8 bits; infinite if they are equal, NaN if not measured.
        error: in a sentence, why it failed or how it misses the PSNR that was asked for; else empty.
    """

    path: str
    output: str
    status: str
    bytes: int = 0
    bpp: float = math.nan
    psnr: float = math.nan
    error: str = ""


_DRAW_OPTIONS = inspect.signature(decode).parameters.keys() - {"source", "device"}

_DTYPES: dict[str, Any] = {"bytes": np.int64, "bpp": np.float64, "psnr": np.float64}


class _Worker(ABC):
    """Converts files one by one: what `Compress` and `Decompress` have in common.

    Called with a batch that has the columns `path` and `output`, it returns the columns of `Row`.

    Args:
        device: "auto", "cpu", "cuda", "vulkan" or "metal".
        threads: of the processor in this process, which has not used Taichi yet; None takes all.
        skip_existing: whether outputs that are there already are left alone.
        storage: how files are read and written.
        options: of the conversion.
    """

    input_suffixes: frozenset[str]
    output_suffix: str

    def __init__(
        self,
        *,
        device: Device = "auto",
        threads: int | None = None,
        skip_existing: bool = True,
        storage: Storage | None = None,
        **options: Any,
    ) -> None:
        if device not in get_args(Device):
            raise OptionError(f"unknown device {device!r}: choose {', '.join(get_args(Device))}")
        self.device, self.skip_existing, self.options = device, skip_existing, options
        self.storage = storage or Storage()
        if threads is not None:
            os.environ["TI_CPU_MAX_NUM_THREADS"] = str(threads)

    def __call__(self, batch: Batch) -> dict[str, NDArray[Any]]:
        rows = [self._row(str(path), str(output)) for path, output in zip(batch["path"], batch["output"], strict=True)]
        return {
            name: np.array([getattr(row, name) for row in rows], dtype=_DTYPES.get(name, object))
            for name in Row._fields
        }

    def _row(self, path: str, output: str) -> Row:
        row = Row(path, output, "failed")
        try:
            if self.skip_existing and (size := self.storage.size(output)) is not None:
                return row._replace(status="skipped", **self._known_of(size))
            data, facts = self._convert(self.storage.read(path), path, output)
            self.storage.publish(output, data)
            return row._replace(status="written", **facts)
        except DeviceError:
            raise  # no other picture would fare better
        except Exception as error:
            return row._replace(error=f"{type(error).__name__}: {error}")

    @abstractmethod
    def _known_of(self, size: int) -> dict[str, Any]:
        """What is known of an output that was there already, from its size in bytes."""

    @abstractmethod
    def _convert(self, data: bytes, path: str, output: str) -> tuple[bytes, dict[str, Any]]:
        """The bytes of the output, and what the row says of it."""


class Compress(_Worker):
    """Pictures become .tgs files; `options` are those of `taichi_gs.encode`, and `measured`: whether to take the PSNR.

    See `convert` for the arguments it shares with `Decompress`. Where a PSNR is out of reach, the best file is written.
    """

    input_suffixes = READ_SUFFIXES
    output_suffix = ".tgs"

    def __init__(
        self, *, measured: bool = True, first_frame: bool = False, keep_metadata: bool = False, **options: Any
    ) -> None:
        super().__init__(**options)
        check_options(self.options, keep_metadata=keep_metadata)
        self.measured, self.first_frame, self.keep_metadata = measured, first_frame, keep_metadata

    def _known_of(self, size: int) -> dict[str, Any]:
        return {"bytes": size}

    def _convert(self, data: bytes, path: str, output: str) -> tuple[bytes, dict[str, Any]]:

        picture = picture_from_bytes(
            data,
            name=quoted(path),
            first_frame=self.first_frame,
            keep_metadata=self.keep_metadata,
            max_pixels=self.options.get("max_pixels") or MAX_PIXELS,
        )
        shortfall = ""
        try:
            encoded = encode(picture, device=self.device, **self.options)
        except QualityError as error:
            encoded, shortfall = error.data, str(error)
        facts = {
            "bytes": len(encoded),
            "bpp": bits_per_pixel(len(encoded), picture.pixels.shape[:2]),
            "error": shortfall,
        }
        if self.measured:
            srgb, preview = (bool(self.options.get(option)) for option in ("srgb", "preview"))
            original = as_asked(picture, srgb=srgb, preview=preview)
            decoded = decode_picture(encoded, device=self.device, limits=FORMAT_LIMITS)
            facts["psnr"] = psnr(*comparable_pixels(original, decoded))
        return encoded, facts


class Decompress(_Worker):
    """.tgs files become pictures of the format that the output's suffix names; `options` are those of `decode`.

    See `convert` for the arguments it shares with `Compress`.
    """

    input_suffixes = frozenset({".tgs"})
    output_suffix = ".png"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if unknown := self.options.keys() - _DRAW_OPTIONS:
            raise OptionError(f"unknown option {min(unknown)!r}: choose {', '.join(sorted(_DRAW_OPTIONS))}")

    def _known_of(self, size: int) -> dict[str, Any]:
        return {}

    def _convert(self, data: bytes, path: str, output: str) -> tuple[bytes, dict[str, Any]]:

        suffix = check_image_suffix(output)
        contents = info(data)
        picture = decode_picture(data, device=self.device, **self.options)
        return image_to_bytes(picture, suffix), {"bytes": contents.bytes, "bpp": contents.bits_per_pixel}


def list_files(
    source: str,
    destination: str,
    worker: type[_Worker] = Compress,
    *,
    suffix: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> list[dict[str, str]]:
    """List what there is to convert below the folder `source`, as rows for `convert`, sorted.

    Args:
        source: a path or URL.
        destination: a path or URL, below which the folders of `source` come again.
        worker: `Compress` for pictures, by their suffixes, or `Decompress` for .tgs files.
        suffix: of the outputs, in the place of theirs; .tgs or .png by default.
        storage_options: of the filesystem, see fsspec.

    Raises:
        OptionError: if two files would have the same output, or one an output that is not below `destination`.
        OSError: if the folder cannot be read.
    """
    filesystem, root = fsspec.core.url_to_fs(source, **(storage_options or {}))
    if not filesystem.exists(root):
        raise FileNotFoundError(f"there is no folder {source!r}")
    if filesystem.isfile(root):
        raise NotADirectoryError(f"{source!r} is a file, not a folder")
    # Workers may have other working folders.
    target_system, target_root = fsspec.core.url_to_fs(destination, **(storage_options or {}))
    destination = target_system.unstrip_protocol(target_root).rstrip("/")
    rows: dict[str, dict[str, str]] = {}
    for path in sorted(filesystem.find(root)):
        stem, extension = posixpath.splitext(posixpath.relpath(path, root))
        if extension.lower() not in worker.input_suffixes:
            continue
        if ".." in [*path.removeprefix(root).split("/"), *stem.split("/")]:
            # An object store takes that for a name like others.
            raise OptionError(f"{path!r} has '..' in its name: its output would be outside {destination!r}")
        output = f"{destination}/{stem}{worker.output_suffix if suffix is None else suffix}"
        row = {"path": filesystem.unstrip_protocol(path), "output": output}
        # On some filesystems names that differ in their case are the same.
        other = rows.setdefault(output.casefold(), row)
        if other is not row:
            raise OptionError(f"{other['path']!r} and {row['path']!r} would both become {output!r}")
    return list(rows.values())


def convert(
    rows: Dataset | Iterable[Mapping[str, str]],
    worker: type[_Worker],
    *,
    num_workers: int | tuple[int, int] = 1,
    num_cpus: int = 1,
    num_gpus: float = 0,
    batch_size: int = 8,
    **options: Any,
) -> Dataset:
    """Return the Ray dataset of `Row` columns that results from converting files; Ray does it when that is consumed.

    Every worker is an actor, a process that keeps its kernels and, on a GPU, its renderer from batch to batch.

    Args:
        rows: a dataset with the columns `path` and `output`, or such rows, for instance those of `list_files`.
        worker: `Compress` or `Decompress`.
        num_workers: how many, or the fewest and the most.
        num_cpus: cores, and so threads, of each worker.
        num_gpus: GPUs of each worker, or the part of one; with none it works on the processor.
        batch_size: files that a worker takes at a time; as many are done again if a worker dies.
        options: of the worker: skip_existing (True), storage (a `Storage`), and those of `taichi_gs.encode`, with
            measured (True), or of `taichi_gs.decode`.
    """
    options = {"device": "cuda" if num_gpus else "cpu", **options}
    worker(**options)  # which refuses what makes no sense, before there are actors

    import ray.data

    dataset = rows if isinstance(rows, ray.data.Dataset) else ray.data.from_items([dict(row) for row in rows])
    fewest, most = (num_workers, num_workers) if isinstance(num_workers, int) else num_workers
    return dataset.map_batches(
        worker,
        batch_size=batch_size,
        batch_format="numpy",
        compute=ray.data.ActorPoolStrategy(min_size=fewest, max_size=most),
        num_cpus=num_cpus,
        num_gpus=num_gpus,
        fn_constructor_kwargs={"threads": num_cpus, **options},
    )
