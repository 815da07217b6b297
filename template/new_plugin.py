"""Make a plugin to start from: `python template/new_plugin.py frame` writes the package `sdkit-frame`.

Copies the folder `plugin`, which is a working package named sdkit-example, and puts your name in place of that one.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

TEMPLATE = Path(__file__).parent / "plugin"
GOOD_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
TEXTS = {".md", ".py", ".toml", ".typed"}


def new_plugin(name: str, into: Path) -> Path:
    """Write the package `sdkit-NAME` into a folder and return its path.

    Raises ValueError for a name that cannot be a package's, FileExistsError if the package is there already.
    """
    name = name.removeprefix("sdkit-")
    if not GOOD_NAME.fullmatch(name):
        raise ValueError(f"a plugin's name is lower-case words joined by hyphens, such as my-frame, not {name!r}")
    target = into / f"sdkit-{name}"
    if target.exists():
        raise FileExistsError(f"{target} is there already; choose another name or folder")
    for file in sorted(TEMPLATE.rglob("*")):
        if file.suffix in TEXTS:
            copy = target / _renamed(file.relative_to(TEMPLATE).as_posix(), name)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(_renamed(file.read_text(encoding="utf-8"), name), encoding="utf-8")
    return target


def _renamed(text: str, name: str) -> str:
    module = name.replace("-", "_")
    text = text.replace("sdkit-example", f"sdkit-{name}").replace("sdkit_example", f"sdkit_{module}")
    return re.sub(r"\bexample\b", module, text)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Make an sdkit plugin to start from.")
    parser.add_argument("name", help="the plugin's name, such as my-frame; the package will be sdkit-my-frame")
    parser.add_argument("--into", type=Path, default=Path(), help="where to put it (default: here)")
    given = parser.parse_args()
    try:
        target = new_plugin(given.name, given.into)
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    sys.stdout.write(f"Made {target}. Now: pip install -e {target} && pytest {target}\n")


if __name__ == "__main__":
    main()
