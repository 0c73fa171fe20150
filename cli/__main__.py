"""`python -m taichi_gs.cli`, the same as `tgs`."""

from . import main

main()
