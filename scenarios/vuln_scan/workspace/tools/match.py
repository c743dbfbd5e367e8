"""Match versions with advisories from PACKAGES and ADVISORIES: match.py OUTPUT.json."""

import json
import os
import sys
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import Version

packages, advisories = (json.loads(os.environ[name]) for name in ("PACKAGES", "ADVISORIES"))
findings = [
    {
        "package": package["name"],
        "version": package["version"],
        "advisory": advisory["id"],
        "severity": advisory["severity"],
        "fixed": advisory["fixed"],
    }
    for package in packages
    for advisory in advisories[package["name"]]
    if Version(package["version"]) in SpecifierSet(advisory["affected"])
]
result = {"scanned": len(packages), "findings": findings}
Path(sys.argv[1]).write_text(json.dumps(result))
print(json.dumps(result))
