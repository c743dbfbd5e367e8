"""Render findings: report.py FINDINGS.json REPORT.md."""

import json
import sys
from pathlib import Path

result = json.loads(Path(sys.argv[1]).read_text())
lines = [f"# {len(result['findings'])} of {result['scanned']} packages are affected", ""]
for found in result["findings"]:
    lines.append(
        f"- {found['package']} {found['version']}: {found['advisory']} ({found['severity']}), "
        f"fixed in {found['fixed']}"
    )
Path(sys.argv[2]).write_text("\n".join(lines) + "\n")
print(json.dumps({"report": sys.argv[2], "lines": len(lines)}))
