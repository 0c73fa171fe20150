"""Options that several commands share."""

import click

device_option = click.option(
    "--device",
    type=click.Choice(("auto", "cpu", "cuda")),
    default="auto",
    show_default=True,
    help="Where to compute.",
)

force_option = click.option("--force", is_flag=True, help="Overwrite OUT if it exists.")
