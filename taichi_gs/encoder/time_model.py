"""How long an encoder is expected to take, before it begins."""

from __future__ import annotations

from dataclasses import dataclass

from taichi_gs.encoder.choices import Device
from taichi_gs.encoder.presets import EncoderConfig
from taichi_gs.encoder.rate_model import CodebookSizes


@dataclass(frozen=True)
class TimeModel:
    """Expected times on two cores of a processor, within a factor of two or so.

    The values are of photographs of 0.1 to 6 megapixels at 0.1 and 0.4 bits per pixel, with the preset "fast", on two
    cores of an AMD EPYC, times what steps take of that since: 0.55, as measured on pictures of 768 x 512 pixels.

    Attributes:
        seconds_per_step: of a fit, whatever the picture.
        seconds_per_pixel: of a step.
        most_pixels_per_byte: that a step looks at: a fit of few Gaussians sees a smaller picture.
        seconds_per_byte: of a step, and of the file, which has a Gaussian in three bytes or so.
        factor_of_ssim: of all that, with the loss "l1-ssim".
        num_fits_to_goal: that a search for a quality makes.
        typical_rate: bits per pixel of a file that has the quality asked for.
    """

    seconds_per_step: float = 1.1e-3
    seconds_per_pixel: float = 10e-9
    most_pixels_per_byte: float = 800.0
    seconds_per_byte: float = 0.41e-6
    factor_of_ssim: float = 3.3
    num_fits_to_goal: float = 2.5
    typical_rate: float = 0.3

    def expected_seconds(self, config: EncoderConfig, num_pixels: int) -> float:
        """Return the seconds to encode a picture without alpha."""
        has_goal = config.psnr is not None or config.quality is not None
        num_fits = config.restarts + (self.num_fits_to_goal - 1 if has_goal else 0)
        num_bytes = self._expected_bytes(config, num_pixels)
        seen = min(num_pixels, self.most_pixels_per_byte * num_bytes)
        a_step = self.seconds_per_step + self.seconds_per_pixel * seen + self.seconds_per_byte * num_bytes
        factor = self.factor_of_ssim if config.loss == "l1-ssim" else 1.0
        return config.steps * num_fits * factor * a_step

    def _expected_bytes(self, config: EncoderConfig, num_pixels: int) -> float:
        if config.num_bytes is not None:
            return config.num_bytes
        if config.bits_per_pixel is not None:
            return config.bits_per_pixel * num_pixels / 8
        if config.psnr is not None or config.quality is not None:
            return self.typical_rate * num_pixels / 8
        model = config.rate_model
        count = config.num_gaussians or max(1, num_pixels // model.pixels_per_gaussian)
        budget = model.budget_for_count(count, CodebookSizes(config.covariance_k, config.color_k))
        return model.expected_bytes(budget, num_pixels, config.position_bits)


def starts_on_gpu(device: Device) -> bool:
    """Start the device as `encode` does, and tell whether it is a GPU, of which no times are known."""
    from taichi_gs.fit.device import start

    return start(device) != "cpu"
