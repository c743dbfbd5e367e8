"""Fetch the advisories of packages: fetch.py URL NAME,NAME,… prints {"advisories": {name: [...]}}."""

import json
import sys
import urllib.error
import urllib.request

url, names = sys.argv[1], sys.argv[2].split(",")
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
advisories = {}
for name in names:
    try:
        with opener.open(f"{url}/{name}", timeout=10) as reply:
            advisories[name] = json.load(reply)["advisories"]
    except urllib.error.HTTPError as error:
        sys.exit(f"{url}/{name}: HTTP {error.code}")
print(json.dumps({"advisories": advisories}))
