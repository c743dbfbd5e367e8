"""Runs inside of an image that is being built: puts the folder of this file on Python's path."""

import compileall
import site
from pathlib import Path

here = Path(__file__).parent
packages = Path(site.getsitepackages()[0])
packages.mkdir(parents=True, exist_ok=True)
(packages / "pytest-execgo.pth").write_text(f"{here}\n")
compileall.compile_dir(str(here), quiet=1)
