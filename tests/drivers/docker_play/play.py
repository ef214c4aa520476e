"""Stands in a container where the runtime would: reads the replica's files and does as told."""

import http.server
import json
import signal
import sys
import threading
import time

with open("service.json") as file:
    config = json.load(file)
with open("auth.json") as file:
    auth = json.load(file)
word, _, rest = config["environment"]["PLAY"].partition(":")
stopping = threading.Event()


def record(phase, version):
    with open("runtime.json", "w") as file:
        json.dump({"phase": phase, "auth_version": version, "message": ""}, file)


def reread():
    """Report the version of auth.json, and say so when it was ever seen half written."""
    version = auth["version"]
    while not stopping.is_set():
        try:
            with open("auth.json") as file:
                found = json.load(file)["version"]
        except FileNotFoundError:
            continue
        except ValueError:
            print("HALF WRITTEN", flush=True)
            continue
        if found != version:
            version = found
            record("ready", version)
        time.sleep(0.001)


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path.startswith("/slow/"):
            time.sleep(float(self.path.rpartition("/")[2]))
        body = json.dumps({"config": config, "port": config["port"]}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def serve():
    server = http.server.ThreadingHTTPServer((config["host"], config["port"]), Answer)
    server.daemon_threads = False  # requests under way are answered before the end
    if word == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    record("ready", auth["version"])
    threading.Thread(target=reread, daemon=True).start()
    print("serving", flush=True)
    server.serve_forever()
    server.server_close()
    stopping.set()
    print("ended", flush=True)


print("starting", flush=True)
if word == "lines":
    for number in range(int(rest)):
        print(f"line {number} of the log é", flush=True)
if word == "exit":
    code, _, words = rest.partition(":")
    print(words, flush=True)
    sys.exit(int(code))
if word == "eat":
    hoard = []
    while True:
        hoard.append(bytearray(8 * 1024 * 1024))
serve()
