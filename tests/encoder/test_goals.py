"""What a file can be asked to be, in bits per pixel, bytes or PSNR, and that real files are."""

from __future__ import annotations

import itertools
import json
import math
import os
import pickle
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import pytorch_msssim
import reference_decoder
import torch
from click.testing import CliRunner
from conftest import ROOT
from numpy.typing import NDArray
from PIL import Image

import taichi_gs
from cli import compress as compress_command
from cli import tgs
from taichi_gs import OptionError, Progress, QualityError
from taichi_gs.model.blending import Blending

Bytes = NDArray[np.uint8]

STEPS = 100
QUICK: dict[str, Any] = {"preset": "fast", "steps": STEPS}


@pytest.fixture(scope="module")
def photo() -> Bytes:
    """[64, 96, 3]: a sky, hills with edges, and texture of many sizes whose amplitude falls with its frequency."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[0:64, 0:96]
    picture = np.stack([90 + y, 120 + 0.8 * y, 220 - 1.5 * y], axis=2).astype(float)
    for base, height, color in ((30, 9, (70, 90, 60)), (44, 6, (120, 100, 60)), (54, 4, (40, 60, 30))):
        picture[y > base + height * np.sin(x / 96 * rng.uniform(4, 9) + rng.uniform(0, 6))] = color
    for _ in range(60):
        frequency, angle, phase = rng.uniform(0.05, 1.5), rng.uniform(0, math.pi), rng.uniform(0, 2 * math.pi)
        wave = np.sin(frequency * (x * math.cos(angle) + y * math.sin(angle)) + phase)
        picture += (1.5 / (0.2 + frequency)) * wave[:, :, None] * rng.uniform(0.5, 1.0, 3)
    return picture.clip(0, 255).astype(np.uint8)


def psnr_of(data: bytes, picture: Bytes) -> float:
    """The PSNR by its definition, of what the package decodes."""
    squares = [float(d) ** 2 for d in (taichi_gs.decode(data).astype(float) - picture).ravel()]
    return 20 * math.log10(255) - 10 * math.log10(math.fsum(squares) / len(squares))


# Bytes and bits per pixel


@pytest.mark.parametrize("blending", ["normalized", "alpha"])
@pytest.mark.parametrize("num_bytes", [250, 600, 1500])
def test_bytes_are_used_and_not_exceeded(num_bytes: int, blending: str, photo: Bytes) -> None:
    data = taichi_gs.encode(photo, **QUICK, num_bytes=num_bytes, blending=blending)
    assert 0.95 * num_bytes <= len(data) <= num_bytes
    assert taichi_gs.info(data).blending == blending


@pytest.mark.parametrize("preset", ["fast", "paper"])
@pytest.mark.parametrize("rate", [0.5, 1.2])
def test_bits_per_pixel_are_used_and_not_exceeded(rate: float, preset: str, photo: Bytes) -> None:
    data = taichi_gs.encode(photo, preset=preset, steps=STEPS, bits_per_pixel=rate)
    assert 0.95 * rate <= 8 * len(data) / (64 * 96) <= rate


def test_bytes_and_bits_per_pixel_are_the_same_request(photo: Bytes) -> None:
    assert taichi_gs.encode(photo, **QUICK, num_bytes=480) == taichi_gs.encode(photo, **QUICK, bits_per_pixel=0.625)


def test_the_fewest_bytes(photo: Bytes) -> None:
    with pytest.raises(OptionError, match=r"num_bytes must be a whole number from 64 to .*, not 63"):
        taichi_gs.encode(photo, **QUICK, num_bytes=63)
    assert len(taichi_gs.encode(photo, **QUICK, num_bytes=64)) <= 64


def test_more_bytes_than_the_picture_can_use() -> None:
    picture = np.full((20, 24, 3), 90, dtype=np.uint8)
    data = taichi_gs.encode(picture, preset="fast", steps=10, num_bytes=100_000)
    assert taichi_gs.info(data).num_gaussians <= 480
    assert psnr_of(data, picture + np.uint8(1)) > 40


# PSNR


@pytest.mark.parametrize("blending", ["normalized", "alpha"])
@pytest.mark.parametrize("psnr", [29.0, 32.5])
def test_psnr_is_reached_and_hardly_exceeded(psnr: float, blending: str, photo: Bytes) -> None:
    data = taichi_gs.encode(photo, **QUICK, psnr=psnr, blending=blending)
    assert psnr <= psnr_of(data, photo) <= psnr + 0.1
    by_reference = reference_decoder.decode(data).astype(float)
    assert 10 * math.log10(255**2 / np.mean((by_reference - photo) ** 2)) == pytest.approx(psnr + 0.05, abs=0.06)


@pytest.mark.parametrize("quality", [50, 62.5])
def test_quality_is_ms_ssim_and_hardly_exceeded(quality: float) -> None:
    with Image.open(ROOT / "examples" / "photo.png") as image:
        photo = np.asarray(image.crop((420, 90, 676, 346)))
    decoded = taichi_gs.decode(taichi_gs.encode(photo, **QUICK, quality=quality))
    tensors = [torch.tensor(pixels).permute(2, 0, 1)[None].float() for pixels in (photo, decoded)]
    similarity = float(pytorch_msssim.ms_ssim(*tensors, data_range=255))
    assert quality <= -50 * math.log10(1 - similarity) <= quality + 3


def test_a_file_for_a_psnr_is_no_larger_than_one_of_that_psnr(photo: Bytes) -> None:
    """A file with a given number of bytes has about the PSNR for which the encoder would make it so large."""
    plain = [taichi_gs.encode(photo, **QUICK, num_bytes=700, seed=seed) for seed in range(3)]
    wanted = [taichi_gs.encode(photo, **QUICK, psnr=psnr_of(data, photo), seed=seed) for seed, data in enumerate(plain)]
    assert sum(map(len, wanted)) <= 1.1 * sum(map(len, plain))


@pytest.mark.parametrize("goal", [{"num_bytes": 500}, {"psnr": 30.0}, {"num_gaussians": 40}])
def test_restarts_make_a_file_no_worse(goal: dict[str, Any], photo: Bytes) -> None:
    """Of a higher PSNR, of fewer bytes, or of more PSNR for its bytes; and steps count on over all of them."""
    one = taichi_gs.encode(photo, preset="fast", steps=40, **goal)
    reports: list[Progress] = []
    best = taichi_gs.encode(photo, preset="fast", steps=40, restarts=4, progress=reports.append, **goal)
    if "psnr" in goal:
        assert len(best) <= len(one)
        assert psnr_of(best, photo) >= 30
    else:
        # Twice the bytes are worth 1.7 dB.
        worths = [psnr_of(data, photo) - 1.7 * math.log2(len(data)) for data in (one, best)]
        assert worths[1] >= worths[0]
        assert len(best) <= goal.get("num_bytes", len(best))
    assert len(reports) >= 4 * 40
    assert [report.step for report in reports] == list(range(1, len(reports) + 1))
    planned = [report.num_steps for report in reports]
    assert planned == sorted(planned)
    assert planned[-1] == len(reports)


def test_psnr_below_that_of_the_smallest_file(photo: Bytes) -> None:
    data = taichi_gs.encode(photo, **QUICK, psnr=3)
    assert len(data) <= 64
    assert psnr_of(data, photo) >= 3


def test_psnr_that_cannot_be_reached(picture: Bytes) -> None:
    with pytest.raises(QualityError) as caught:
        taichi_gs.encode(picture, preset="fast", steps=20, psnr=70)
    error = caught.value
    best = psnr_of(error.data, picture)
    assert best < 70
    assert str(error) == f"the best that this preset reaches is {best:.2f} dB, not 70"
    assert best > psnr_of(taichi_gs.encode(picture, preset="fast", steps=20), picture)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.data) == (QualityError, str(error), error.data)


def test_quality_that_cannot_be_reached() -> None:
    noise = np.random.default_rng(2).integers(0, 256, (24, 32, 3)).astype(np.uint8)
    with pytest.raises(QualityError, match=r"^the best that this preset reaches is quality \d+\.\d, not 100$"):
        taichi_gs.encode(noise, preset="fast", steps=20, quality=100)


def test_16_bit_pictures_are_measured_in_8_bits(photo: Bytes) -> None:
    fine = photo.astype(np.uint16) * 257 + np.random.default_rng(1).integers(-100, 101, photo.shape)
    fine = fine.clip(0, 65535).astype(np.uint16)
    data = taichi_gs.encode(fine, **QUICK, psnr=30.0)
    assert 30.0 <= psnr_of(data, np.floor(fine / 257 + 0.5).astype(np.uint8)) <= 30.3


# Requests that make no sense


@pytest.mark.parametrize(
    ("first", "second"),
    [
        *itertools.combinations(
            [{"num_gaussians": 12}, {"bits_per_pixel": 1.0}, {"num_bytes": 500}, {"quality": 50}, {"psnr": 25.0}], 2
        )
    ],
)
def test_goals_exclude_each_other(first: dict[str, Any], second: dict[str, Any], picture: Bytes) -> None:
    with pytest.raises(OptionError, match="exclude each other") as caught:
        taichi_gs.encode(picture, **first, **second)
    assert all(name in str(caught.value).partition(" exclude")[0] for name in (*first, *second))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_bytes": 500.0}, "num_bytes must be a whole number"),
        ({"num_bytes": -1}, "num_bytes must be a whole number"),
        ({"num_bytes": "500"}, "num_bytes must be a whole number"),
        ({"num_bytes": 1 << 31}, "num_bytes must be a whole number"),
        ({"quality": 0}, "quality must be a positive number"),
        ({"quality": 100.5}, "quality must be at most 100"),
        ({"quality": "50"}, "quality must be a positive number"),
        ({"psnr": 0}, "psnr must be a positive number"),
        ({"psnr": -20.0}, "psnr must be a positive number"),
        ({"psnr": float("inf")}, "psnr must be a positive number"),
        ({"psnr": float("nan")}, "psnr must be a positive number"),
        ({"psnr": "30"}, "psnr must be a positive number"),
    ],
)
def test_goals_that_make_no_sense(options: dict[str, Any], message: str, picture: Bytes) -> None:
    with pytest.raises(OptionError, match=message):
        taichi_gs.encode(picture, **options)


# The command line


def test_choices_are_those_of_the_library() -> None:
    choices = {parameter.name: getattr(parameter.type, "choices", ()) for parameter in compress_command.params}
    assert set(choices["blending"]) == set(get_args(Blending))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photo: Bytes) -> Path:
    """The current folder, with photo.png in it."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(photo).save("photo.png")
    return tmp_path


COMPRESS = ["compress", "photo.png", "--preset", "fast", "--steps", str(STEPS)]


def test_goals_of_the_command(folder: Path, photo: Bytes) -> None:
    result = CliRunner().invoke(tgs, [*COMPRESS, "--bytes", "500", "--json"])
    assert result.exit_code == 0, result.output
    assert 475 <= json.loads(result.stdout)["bytes"] == os.path.getsize("photo.tgs") <= 500

    result = CliRunner().invoke(tgs, [*COMPRESS, "--psnr", "29.5", "--blending", "alpha", "--force", "-q"])
    assert (result.exit_code, result.output) == (0, "")
    assert 29.5 <= psnr_of(Path("photo.tgs").read_bytes(), photo) <= 29.6

    contents = json.loads(CliRunner().invoke(tgs, ["info", "photo.tgs", "--json"]).stdout)
    assert contents["blending"] == "alpha"
    assert contents["subdivision"] == reference_decoder.decode_symbols(Path("photo.tgs").read_bytes())["subdivision"]
    readable = CliRunner().invoke(tgs, ["info", "photo.tgs"]).stdout
    assert "alpha" in readable
    assert "subdivision" in readable


@pytest.mark.parametrize("mode", ["--json", "--quiet", None])
def test_a_file_that_is_not_good_enough_is_written_with_status_3(
    folder: Path, monkeypatch: pytest.MonkeyPatch, mode: str | None, photo: Bytes
) -> None:
    best = taichi_gs.encode(photo, preset="fast", steps=10, num_gaussians=30)
    sentence = "the best that this preset reaches is 20.00 dB, not 60"

    def encode(image: object, **options: object) -> bytes:
        assert options["psnr"] == 60
        raise QualityError(sentence, best)

    monkeypatch.setattr("taichi_gs.codec.encode", encode)
    result = CliRunner().invoke(tgs, ["compress", "photo.png", "--psnr", "60", *([mode] if mode else [])])
    assert result.exit_code == 3
    assert Path("photo.tgs").read_bytes() == best
    assert result.stderr.endswith(f"tgs: error: {sentence}\n")
    if mode == "--json":
        assert json.loads(result.stdout)["psnr"] == pytest.approx(psnr_of(best, photo))
    else:
        assert result.stdout == ""
    assert result.stderr.count("\n") == (2 if mode is None else 1)


def test_status_3_of_the_real_encoder(folder: Path, picture: Bytes) -> None:
    Image.fromarray(picture).save("small.png")
    few = ["--preset", "fast", "--steps", "10"]
    result = CliRunner().invoke(tgs, ["compress", "small.png", *few, "--psnr", "80", "-q"])
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith("tgs: error: the best that this preset reaches is ")
    assert f" {psnr_of(Path('small.tgs').read_bytes(), picture):.2f} dB, not 80\n" in result.stderr


@pytest.mark.parametrize(
    "options",
    [
        ["--bytes", "0"],
        ["--bytes", "50"],
        ["--quality", "0"],
        ["--quality", "101"],
        ["--psnr", "0"],
        ["--psnr", "nan"],
        ["--blending", "both"],
        ["--bytes", "500", "--psnr", "30"],
        ["--bpp", "0.5", "--bytes", "500"],
        ["--psnr", "30", "--num-gaussians", "20"],
    ],
)
def test_wrong_usage_is_status_2(folder: Path, options: list[str]) -> None:
    result = CliRunner().invoke(tgs, ["compress", "photo.png", *options])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Error: " in result.stderr
    assert os.listdir(folder) == ["photo.png"]
