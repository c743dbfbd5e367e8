"""Run a project's tests and print the counts as JSON: run_tests.py PROJECT [--original].

Exits with 1 if a test fails. With --original it runs the tests on the unpatched files, which are known
to be broken, and exits with 0; if the patch is already applied, it takes the files from their backups.
"""

import json
import os
import shutil
import sys
import tempfile
import unittest
from pathlib import Path

project, original = Path(sys.argv[1]), "--original" in sys.argv
sys.dont_write_bytecode = True
with tempfile.TemporaryDirectory() as scratch:
    copy = Path(shutil.copytree(project, Path(scratch) / "project"))
    for backup in copy.glob("*.py.orig") if original else ():
        os.replace(backup, backup.with_suffix(""))
    sys.path.insert(0, str(copy))
    suite = unittest.defaultTestLoader.discover(str(copy))
    with open(os.devnull, "w") as nowhere:
        result = unittest.TextTestRunner(stream=nowhere).run(suite)
failing = sorted(case.id() for case, _ in [*result.failures, *result.errors])
counts = {
    "ran": result.testsRun,
    "passed": result.testsRun - len(failing),
    "failed": len(failing),
    "failing": failing,
}
print(json.dumps(counts))
sys.exit(1 if failing and not original else 0)
