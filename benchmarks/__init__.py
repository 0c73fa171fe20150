"""Rate, distortion and speed, measured on real files; see `benchmarks/results/README.md`."""
