"""Print one of the README's commands: `python3 readme_block.py README.md example`.

A command is the fenced `sh` block that directly follows `<!-- ci: example -->`. It is an error if there is not exactly
one such block, or if it is empty.
"""

import re
import sys
from pathlib import Path


def find_block(text: str, name: str) -> str:
    """Return the contents of the block called `name`."""
    blocks: list[str] = re.findall(
        rf"^<!-- ci: {re.escape(name)} -->\n```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL
    )
    if len(blocks) != 1 or not blocks[0].strip():
        sys.exit(f"readme_block: {len(blocks)} blocks `<!-- ci: {name} -->` where one that is not empty is needed")
    return blocks[0]


if __name__ == "__main__":
    print(find_block(Path(sys.argv[1]).read_text(encoding="utf-8"), sys.argv[2]), end="")
