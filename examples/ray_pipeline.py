"""Compress all pictures below a folder with Ray, on this machine or on a cluster.

    python examples/ray_pipeline.py photos small --workers 2
    python examples/ray_pipeline.py s3://photos/2024 s3://small/2024 --workers 64 --gpus 0.25 --report s3://small/report

What is there already is skipped: run again, the same command does the rest. The report is a folder of Parquet files.
"""

import argparse
import sys

from taichi_gs.integrations.ray import Compress, convert, list_files


def main(source: str, destination: str, workers: int, gpus: float, preset: str, report: str | None) -> int:
    """Compress what is below `source`, print what failed and the totals, and return the exit status."""
    rows = list_files(source, destination)
    if not rows:
        print("there are no pictures", file=sys.stderr)
        return 1
    results = convert(rows, Compress, num_workers=workers, num_gpus=gpus, preset=preset).materialize()
    if report is not None:
        results.write_parquet(report)
    counts = {"written": 0, "skipped": 0, "failed": 0}
    num_bytes = 0
    for row in results.iter_rows():
        counts[row["status"]] += 1
        num_bytes += row["bytes"]
        if row["status"] == "failed":
            print(f"{row['path']}: {row['error']}", file=sys.stderr)
    print(", ".join(f"{count:,} {status}" for status, count in counts.items()) + f", {num_bytes:,} bytes")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Compress all pictures below a folder with Ray.")
    parser.add_argument("source", help="folder, as a path or URL")
    parser.add_argument("destination", help="folder for the .tgs files, as a path or URL")
    parser.add_argument("--workers", type=int, default=1, help="processes [default: 1]")
    parser.add_argument("--gpus", type=float, default=0, help="GPUs of each, for instance 0.25 [default: none]")
    parser.add_argument("--preset", default="default", help="how hard to try [default: default]")
    parser.add_argument("--report", help="folder for the results, as a path or URL")
    sys.exit(main(**vars(parser.parse_args())))
