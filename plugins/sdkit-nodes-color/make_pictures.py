"""Make the pictures of the README, by running the README: `python make_pictures.py`."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

HERE = Path(__file__).parent


def main() -> None:
    """Run the Python blocks in a temporary folder and keep the PNGs that the README shows."""
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"\(pictures/(.+?\.png)\)", readme)
    (HERE / "pictures").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        exec("\n".join(re.findall(r"```python\n(.*?)```", readme, re.DOTALL)), {})
        for name in shown:
            (HERE / "pictures" / name).write_bytes(Path(name).read_bytes())
        os.chdir(HERE)


if __name__ == "__main__":
    main()
