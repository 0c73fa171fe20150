"""What several tests of the fit share."""

from __future__ import annotations

import pytest

from taichi_gs.kernels import runtime
from taichi_gs.kernels.runtime import Form

FORMS: list[Form] = ["cpu", "gpu"]


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> Form:
    """The form of the kernels: that for a GPU runs on the CPU as well."""
    form: Form = request.param
    if runtime.start() == "cuda" and form == "cpu":
        pytest.skip("Taichi runs on CUDA in this process")
    return form
