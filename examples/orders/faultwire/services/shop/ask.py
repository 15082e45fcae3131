"""Ask for the state of an order, once, within two seconds a step."""

import json
import sys
import urllib.request

with urllib.request.urlopen(sys.argv[1], timeout=2) as answer:
    print(json.load(answer)["state"])
