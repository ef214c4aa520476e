"""Load by wrk that judges each answer: right, to be sent again (503 with Retry-After), or wrong."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

CONNECTIONS = 256
SCRIPT = """
wrk.method = "POST"
wrk.body = %s
for name, value in pairs(%s) do wrk.headers[name] = value end
local expected = %s
local threads = {}
function setup(thread) table.insert(threads, thread) end
function init(args) ok, retry, wrong, example = 0, 0, 0, "" end
function response(status, headers, body)
  if status == 200 and body == expected then ok = ok + 1
  elseif status == 503 and headers["retry-after"] then retry = retry + 1
  else wrong = wrong + 1; example = status .. " " .. body end
end
function done()
  for _, thread in ipairs(threads) do
    io.write(string.format("ok=%%d retry=%%d wrong=%%d\\n%%s\\n", thread:get("ok"),
      thread:get("retry"), thread:get("wrong"), thread:get("example")))
  end
end
"""


def start(
    url: str, body: str, expected: str, folder: Path, seconds: int, **headers: str
) -> subprocess.Popen[str]:
    """Ask `url` the same over 256 connections; `counted` reads what it prints at its end."""
    table = ", ".join(f"[{json.dumps(name)}] = {json.dumps(v)}" for name, v in headers.items())
    script = folder / "post.lua"
    script.write_text(SCRIPT % (json.dumps(body), f"{{{table}}}", json.dumps(expected)))
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "30s"]
    return subprocess.Popen([*command, "-s", str(script), url], stdout=subprocess.PIPE, text=True)


def counted(told: str) -> dict[str, int]:
    """Return how many answers were ok, retry and wrong."""
    return {name: int(number) for name, number in re.findall(r"(ok|retry|wrong)=(\d+)", told)}
