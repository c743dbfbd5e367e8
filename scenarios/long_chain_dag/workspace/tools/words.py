"""One step of the word count: words.py split|count|filter|merge|publish …; prints one JSON object."""

import json
import os
import re
import sys
from collections import Counter
from pathlib import Path

STOP_WORDS = {"a", "an", "and", "as", "at", "by", "for", "in", "is", "it", "no", "of", "on", "or", "the", "to"}


def write(path, text):
    """Replace the file atomically: a task that runs twice must not leave a half-written file."""
    temporary = f"{path}.{os.getpid()}"
    Path(temporary).write_text(text)
    os.replace(temporary, path)


def split(source, folder, parts):
    lines = Path(source).read_text().splitlines()
    Path(folder).mkdir(exist_ok=True)
    for part in range(int(parts)):
        write(f"{folder}/part-{part}.txt", "\n".join(lines[part :: int(parts)]))
    return {"lines": len(lines)}


def count(source, target):
    words = Counter(re.findall(r"[a-z]+", Path(source).read_text().lower()))
    write(target, json.dumps(words))
    return {"words": sum(words.values())}


def filter_(source, target):
    words = {w: n for w, n in json.loads(Path(source).read_text()).items() if w not in STOP_WORDS}
    write(target, json.dumps(words))
    return {"kept": sum(words.values())}


def merge(target, *sources):
    total = Counter()
    for source in sources:
        total.update(json.loads(Path(source).read_text()))
    write(target, json.dumps(total))
    return {"words": sum(total.values())}


def publish(source):
    total = Counter(json.loads(Path(source).read_text()))
    top = sorted(total.items(), key=lambda item: (-item[1], item[0]))[:5]
    return {"words": sum(total.values()), "distinct": len(total), "top": [list(item) for item in top]}


steps = {"split": split, "count": count, "filter": filter_, "merge": merge, "publish": publish}
print(json.dumps(steps[sys.argv[1]](*sys.argv[2:])))
