"""`tgs doctor`: what a bug report should say about an installation."""

from __future__ import annotations

import json

import click

from .console import emit
from .failures import Failure, OneSentenceCommand


@click.command(cls=OneSentenceCommand)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doctor(as_json: bool) -> None:
    """Show versions, devices and formats, and test the installation.

    Add what this prints to a bug report. The exit status is 1 if the self-test fails.

    \b
    Example:
      tgs doctor
    """
    from taichi_gs.diagnosis import diagnose
    from taichi_gs.pictures.opening import readable_suffixes
    from taichi_gs.pictures.suffixes import WRITE_SUFFIXES

    facts = {
        **diagnose(),
        "reads": " ".join(sorted(readable_suffixes())),
        "writes": " ".join(sorted(WRITE_SUFFIXES)),
    }
    if as_json:
        emit(json.dumps(facts))
    else:
        column = max(map(len, facts)) + 2
        for name, value in facts.items():
            emit(f"{name + ':':{column}}{value}")
    if not facts.get("self-test", "").startswith("passed"):
        raise Failure("the self-test failed")
