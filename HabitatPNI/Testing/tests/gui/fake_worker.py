"""Speaks the worker's protocol and computes nothing.

What it does with a command stands in the command; the worker's own commands are answered with what the real one has answered
before (files ``NAME.json`` in the folder HABITATPNI_TEST_ANSWERS, with the seconds to wait in the file ``delay``).
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path


def say(**message):
    os.write(1, (json.dumps(message, ensure_ascii=False) + "\n").encode())


def replay(number, command):
    answers = Path(os.environ["HABITATPNI_TEST_ANSWERS"])
    delay = float((answers / "delay").read_text(encoding="utf-8"))
    say(id=number, type="progress", fraction=0.3, message="pretending")
    time.sleep(delay)
    if (answers / "die").exists():
        (answers / "die").unlink()
        print("out of memory", file=sys.stderr, flush=True)
        os._exit(1)
    text = (answers / f"{command['command']}.json").read_text(encoding="utf-8")
    made_in = json.loads(text)["folder"]
    if Path(made_in).is_dir() and "folder" in command:
        shutil.copytree(made_in, command["folder"], dirs_exist_ok=True)
    value = json.loads(text.replace(json.dumps(made_in)[1:-1], json.dumps(command.get("folder", ""))[1:-1]))["value"]
    if "vectors" in value:
        value["vectors"] = command.get("vectors")  # as sent
    say(id=number, type="result", value=value)


say(type="ready", pid=os.getpid(), version="0")
for line in sys.stdin:
    command = json.loads(line)
    number, what = command["id"], command["command"]
    if what == "echo":
        say(id=number, type="progress", fraction=0.5, message="half")
        say(id=number, type="result", value={"pid": os.getpid(), "path": os.environ["PYTHONPATH"].split(os.pathsep)[0], **command})
    elif what == "split":
        data = (json.dumps({"id": number, "type": "result", "value": {"text": "µ²—日本"}}, ensure_ascii=False) + "\n").encode()
        for byte in data:
            os.write(1, bytes([byte]))
            time.sleep(0.002)
    elif what == "fail":
        say(id=number, type="error", kind="CaseError", message="Case 1: no", detail="Traceback")
    elif what == "noise":
        os.write(1, b"this is no JSON\n")
        print("a line of the log", file=sys.stderr, flush=True)
        say(id=number, type="result", value={})
    elif what == "die":
        print("MemoryError: last words", file=sys.stderr, flush=True)
        os._exit(9)
    elif what == "hang":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        say(id=number, type="progress", fraction=0.1, message=f"{os.getpid()} {child.pid}")
        time.sleep(60)
    elif what == "list":
        os.write(1, b"[1]\n")
        say(id=number, type="progress", fraction=0.5, message="half")
    elif what == "late":
        time.sleep(0.3)
        say(id=number, type="result", value={})
    elif (Path(os.environ.get("HABITATPNI_TEST_ANSWERS", "/nowhere")) / f"{what}.json").exists():
        replay(number, command)
    else:
        say(id=number, type="error", kind="RequestError", message=f"no command {what}", detail="")
