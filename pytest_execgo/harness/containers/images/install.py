"""A build step inside the image: adds this file's folder to Python's path, and compiles all modules.

Python images contain no bytecode, so every start would compile the standard library again.
"""

import compileall
import re
import site
import sysconfig
from pathlib import Path

here = Path(__file__).parent
packages = Path(site.getsitepackages()[0])
packages.mkdir(parents=True, exist_ok=True)
(packages / "pytest-execgo.pth").write_text(f"{here}\n", encoding="utf-8")
unused = re.compile(r"/(test|tests|idlelib|lib2to3|tkinter|turtledemo|ensurepip)/")
for folder in (str(here), sysconfig.get_path("stdlib")):
    compileall.compile_dir(folder, quiet=1, rx=unused, workers=0)
