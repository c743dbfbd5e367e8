"""Apply edits to a project: apply_patch.py EDITS.json PROJECT. Applying them twice has the same result."""

import json
import sys
from pathlib import Path

edits, project = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
for edit in edits:
    path = project / edit["file"]
    text = path.read_text()
    backup = path.with_suffix(".py.orig")
    if not backup.exists():
        backup.write_text(text)
    if edit["new"] not in text:
        if text.count(edit["old"]) != 1:
            sys.exit(f"{edit['file']}: {edit['old']!r} occurs {text.count(edit['old'])} times, expected once")
        path.write_text(text.replace(edit["old"], edit["new"]))
print(json.dumps({"files": sorted({edit["file"] for edit in edits}), "edits": len(edits)}))
