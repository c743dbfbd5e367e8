"""Extract the notable events: collect.py log|metrics|tickets FILE prints {"events": [...]}."""

import csv
import json
import sys
from pathlib import Path


def log(text):
    for line in text.splitlines():
        at, level, message = line.split(None, 2)
        if level in ("WARN", "ERROR"):
            yield {"at": at, "text": f"{level.lower()}: {message}"}


def metrics(text):
    for row in csv.DictReader(text.splitlines()):
        if float(row["value"]) > float(row["limit"]):
            yield {"at": row["at"], "text": f"{row['name']} {row['value']} over {row['limit']}"}


def tickets(text):
    for ticket in json.loads(text):
        yield {"at": ticket["opened"], "text": ticket["title"]}


kind, path = sys.argv[1:]
text = Path(path).read_text()
print(json.dumps({"events": list({"log": log, "metrics": metrics, "tickets": tickets}[kind](text))}))
