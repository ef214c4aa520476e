"""A model that does as told: while it loads by the variable PLAY, when asked by its input.

Input: one row with the columns `action` and `argument`; the answer is one text. What an action
raises is answered by the name of the exception.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path


def _load_pyfunc(path):
    word, _, rest = os.environ.get("PLAY", "serve").partition(":")
    print("starting", flush=True)
    if word == "lines":
        for number in range(int(rest)):
            print(f"line {number} of the log é", flush=True)
    if word == "exit":
        words = rest.partition(":")[2]
        print(words, flush=True)
        raise RuntimeError(words)
    if word == "eat":
        hoard = []
        while True:
            hoard.append(bytearray(os.urandom(1) * 8_000_000))
    if word == "slow":
        time.sleep(float(rest))
    if word == "stubborn":
        import ctypes

        ctypes.CDLL(None).signal(signal.SIGTERM, ctypes.c_void_p(1))  # SIG_IGN
    return Play()


class Play:
    def predict(self, rows):
        action, argument = rows.iloc[0]["action"], rows.iloc[0]["argument"]
        try:
            return [getattr(self, action)(argument)]
        except OSError as error:
            return [type(error).__name__]

    def read(self, path):
        with open(path, "rb") as stream:
            return f"read {len(stream.read(100))} bytes"

    def write(self, path):
        Path(path).write_text("mine")
        return "written"

    def folder(self, path):
        return json.dumps(sorted(os.listdir(path)))

    def connect(self, path):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
        return "connected"

    def environ(self, _):
        return json.dumps(dict(os.environ))

    def who(self, _):
        return json.dumps([os.getuid(), os.getgid(), os.getgroups()])

    def descriptors(self, _):
        return json.dumps(
            [
                os.readlink(f"/proc/self/fd/{n}")
                for n in range(3, 64)
                if os.path.lexists(f"/proc/self/fd/{n}")
            ]
        )

    def spawn(self, seconds):
        command = [sys.executable, "-c", f"import time; time.sleep({seconds})"]
        return str(subprocess.Popen(command).pid)
