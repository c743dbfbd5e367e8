"""Read pinned requirements: inventory.py FILE prints {"packages": [{"name", "version"}]}."""

import json
import sys
from pathlib import Path

from packaging.requirements import Requirement

packages = []
for line in Path(sys.argv[1]).read_text().splitlines():
    text = line.partition("#")[0].strip()
    if text:
        requirement = Requirement(text)
        (pin,) = requirement.specifier
        packages.append({"name": requirement.name, "version": pin.version})
print(json.dumps({"packages": packages}))
