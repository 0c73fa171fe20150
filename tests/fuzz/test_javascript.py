"""Mutants in the browser decoder, and whether the tool notices one that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import ROOT
from node import needs_node

from fuzz import javascript
from fuzz.checks import DECODED
from fuzz.javascript import DECODER, Node, examine, run
from fuzz.tally import COLUMNS, CORPUS, read_seeds

SEEDS = read_seeds(CORPUS)
FILES = sorted([*CORPUS.glob("*.tgs"), *(ROOT / "fuzz" / "regressions").glob("*.tgs")])
DRAWN = (CORPUS / "drawn.tgs").read_bytes()

UNLIMITED = float("inf")

pytestmark = needs_node


def faulty(folder: Path, code: str) -> Path:
    """A module that is the decoder but for what `code` exports."""
    module = folder / "faulty.mjs"
    original = DECODER.as_uri()
    module.write_text(f'import * as good from "{original}";\nexport * from "{original}";\n{code}\n', encoding="utf-8")
    return module


def test_mutants(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time is left out: it would tell of the machine."""
    monkeypatch.setattr(javascript, "MAX_SECONDS", UNLIMITED)
    tally = run(SEEDS, 1, 300)
    assert tally.faults == []
    outcomes = [report.outcome for report in tally.reports]
    assert sum(outcome.name == DECODED for outcome in outcomes) > 60
    assert len({outcome.sentence for outcome in outcomes}) > 15


def test_seeds_and_what_was_found_before() -> None:
    with Node() as node:
        findings = {path.name: examine(node, path.read_bytes()).findings(max_seconds=UNLIMITED) for path in FILES}
    assert len(findings) > 30
    assert {name: found for name, found in findings.items() if found} == {}


@pytest.mark.parametrize(
    ("code", "finding"),
    [
        ("export const decode = () => null.length;", "escaped: TypeError: "),
        ("export const decode = () => { throw 5; };", "escaped: Number: undefined"),
        ("export const decode = () => new Uint8Array(-1);", "escaped: RangeError: "),
        ("export const render = () => null.length;", "escaped: TypeError: "),
        ("export const render = () => [];", "escaped: Error: another number of pixels than was asked for"),
        ("export const decode = () => process.exit();", "died: "),
        (
            "export const decode = () => { throw new good.TgsError('No.'); };",
            "disagrees: TgsError No. / the package: d",
        ),
        (
            "export function decode(bytes) { const p = good.decode(bytes); p.integers.offsetsY[3] ^= 1; return p; }",
            "disagrees: other integers or chunks",
        ),
        (
            "export const decode = (bytes) => ({ ...good.decode(bytes), chunks: new Map([['note', bytes]]) });",
            "disagrees: other integers or chunks",
        ),
    ],
    ids="type thrown range drawing pixels dead refuses integer chunk".split(),
)
def test_faults_are_found(tmp_path: Path, code: str, finding: str) -> None:
    with Node(faulty(tmp_path, code)) as node:
        # The second time in a new process, if the first has died.
        for _ in range(2):
            (found,) = examine(node, DRAWN).findings(max_seconds=UNLIMITED)
            assert found.startswith(finding)


def test_what_is_accepted_and_should_not_be_is_found(tmp_path: Path) -> None:
    good = (CORPUS / "drawn.tgs").as_posix()
    code = (
        f"import {{ readFileSync }} from 'node:fs';\nexport const decode = () => good.decode(readFileSync('{good}'));"
    )
    with Node(faulty(tmp_path, code)) as node:
        (found,) = examine(node, DRAWN[:-1]).findings(max_seconds=UNLIMITED)
    assert found.startswith("disagrees: decoded / the package: TgsError The file is damaged")


def test_a_decoder_that_is_slow_or_hangs_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(javascript, "MAX_SECONDS", 0.2)
    work = "for (const start = process.cpuUsage(); process.cpuUsage(start).user < 3e5;) for (let i = 0; i < 1e6; i++);"
    code = f"export function decode() {{ {work} throw new TypeError(); }}"
    tally = run(SEEDS, 1, 1, faulty(tmp_path, code))
    assert sorted(fault.what.partition(":")[0] for fault in tally.faults) == ["escaped", "slow"]
    assert tally.num_slow_once == 1
    monkeypatch.setattr(javascript, "HANG_SECONDS", 0.5)
    (fault,) = run(SEEDS, 1, 1, faulty(tmp_path, "export function decode() { while (true); }")).faults
    assert fault.what.startswith("died: or silent")


def test_a_run_writes_its_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(javascript, "MAX_SECONDS", UNLIMITED)
    output = tmp_path / "javascript.tsv"
    assert javascript.main(["--count", "20", "--output", str(output)]) == 0
    lines = output.read_text(encoding="utf-8").splitlines()
    comments = [line for line in lines if line.startswith("# ")]
    assert comments[0] == "# command: python -m fuzz.javascript --count 20 --output javascript.tsv"
    assert comments[-1].startswith("# node: v")
    columns, *rows = [tuple(line.split("\t")) for line in lines[len(comments) :]]
    assert columns == COLUMNS
    assert ("mutants", "all", "20") in rows
    assert ("findings", "all", "0") in rows
