"""Runs inside of an image that is being built: puts the folder of this file on Python's path, and
compiles what would otherwise be compiled anew at every start (Python images have no bytecode)."""

import compileall
import re
import site
import sysconfig
from pathlib import Path

here = Path(__file__).parent
packages = Path(site.getsitepackages()[0])
packages.mkdir(parents=True, exist_ok=True)
(packages / "pytest-execgo.pth").write_text(f"{here}\n")
unused = re.compile(r"/(test|tests|idlelib|lib2to3|tkinter|turtledemo|ensurepip)/")
for folder in (str(here), sysconfig.get_path("stdlib")):
    compileall.compile_dir(folder, quiet=1, rx=unused, workers=0)
