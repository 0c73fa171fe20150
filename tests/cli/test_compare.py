"""Pictures compared by the command line."""

from __future__ import annotations

import json
from pathlib import Path

from command_line import error_of, run
from PIL import Image


def test_compare_equal_pictures(photo_folder: Path) -> None:
    assert json.loads(run("compare", "photo.png", "photo.png", "--json").stdout)["psnr"] is None
    assert "inf dB" in run("compare", "photo.png", "photo.png").stdout


def test_compare_many(photo_folder: Path, encoded: bytes) -> None:
    Path("photo.tgs").write_bytes(encoded)
    Image.new("RGB", (3, 4)).save("small.png")
    result = run("compare", "photo.png", "small.png", "photo.png", "no.png", "photo.tgs")
    assert result.exit_code == 1
    same, other = result.stdout.splitlines()
    assert same == "'photo.png': PSNR inf dB, MS-SSIM 1.000000, SSIMULACRA 2 100.00"
    assert other.startswith("'photo.tgs': ")
    wrong_size, missing = result.stderr.splitlines()
    assert wrong_size.startswith("tgs: error: 'small.png': pictures of different sizes cannot be compared")
    assert missing == "tgs: error: cannot read 'no.png': no such file or directory"
    printed = run("compare", "photo.png", "no.png", "photo.tgs", "--json")
    failure, found = map(json.loads, printed.stdout.splitlines())
    assert failure == {"input": "no.png", "error": missing.removeprefix("tgs: error: ")}
    assert (found["original"], found["input"]) == ("photo.png", "photo.tgs")
    similarity = f"MS-SSIM {found['ms_ssim']:.6f}, SSIMULACRA 2 {found['ssimulacra2']:.2f}"
    assert other == f"'photo.tgs': PSNR {found['psnr']:.4f} dB, {similarity}"
    no_original = run("compare", "no.png", "photo.png", "--json")
    assert (no_original.exit_code, json.loads(no_original.stdout)) == (1, failure)
    assert run("compare", "-", "-").exit_code == 2


def test_the_first_frame_of_an_animation_is_compared(photo_folder: Path) -> None:
    frames = [Image.new("L", (30, 20), gray) for gray in (50, 200)]
    frames[0].save("two.gif", save_all=True, append_images=frames[1:])
    frames[0].save("one.png")
    assert "inf dB" in run("compare", "two.gif", "one.png").stdout


def test_pictures_have_the_limit_that_is_asked_for(photo_folder: Path) -> None:
    assert "more than the limit of 100" in error_of(run("compare", "photo.png", "photo.png", "--limit", "pixels=100"))


def test_sizes_of_pictures_with_alpha_are_their_own(photo_folder: Path) -> None:
    Image.new("RGBA", (10, 5), (1, 2, 3, 4)).save("logo.png")
    Image.new("RGB", (6, 5)).save("other.png")
    assert "different sizes cannot be compared: 10x5 and 6x5" in error_of(run("compare", "logo.png", "other.png"))


def test_compare_failures(photo_folder: Path) -> None:
    Image.new("RGB", (3, 4)).save("other.png")
    assert "different sizes cannot be compared: 32x24 and 3x4" in error_of(run("compare", "photo.png", "other.png"))
    assert "cannot read 'no.png'" in error_of(run("compare", "photo.png", "no.png"))
