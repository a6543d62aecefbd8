"""Make the calls that stand on standard input, a JSON object a line, with the published SDK; say what each raised."""

import json
import sys

import track

for line in sys.stdin:
    call = json.loads(line)
    for setting, value in call["settings"].items():
        setattr(track, setting, value)
    track.default_client = None  # else the settings of the first call hold for ever
    raised = None
    try:
        getattr(track, call["function"])(*call["args"], **call["kwargs"])
    except Exception as error:  # noqa: BLE001 - whatever it raises is the answer
        raised = f"{type(error).__name__}: {error}"
    print(json.dumps(raised), flush=True)
