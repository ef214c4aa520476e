"""Consume: complete client programs for one service in five languages. Pure.

Each program posts the service's example body with its key and prints the answer. Values go into
literals of the language by that language's own rules, so that no name or key can break out.
"""

from __future__ import annotations

import ast
import json
import pprint
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deployments.configuring.jsontext import pretty
from workspaces.syntax import undisturbed

KEY_PLACEHOLDER = "YOUR_SERVICE_KEY"
TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Snippet:
    """One program. `needs` is what must be installed to run it, as a command or a sentence."""

    language: str  # short id, used in URLs and tests
    label: str
    filename: str
    code: str
    needs: str = ""


def snippets(
    *,
    uri: str,
    body: Mapping[str, Any],
    auth_enabled: bool = True,
    key: str = KEY_PLACEHOLDER,
) -> list[Snippet]:
    """The programs for one service.

    Args:
        uri: scoring URI.
        body: a body that the model accepts; JSON values only.
        auth_enabled: without it no key is sent.
        key: the key to put in; the placeholder unless a person asked for the real one.
    Returns:
        curl, Python, JavaScript, C#, R, in this order.
    """
    secret = key if auth_enabled else None
    return [
        Snippet("curl", "curl", "score.sh", _curl(uri, body, secret)),
        Snippet("python", "Python", "score.py", _python(uri, body, secret), "pip install requests"),
        Snippet("javascript", "JavaScript", "score.mjs", _javascript(uri, body, secret)),
        Snippet("csharp", "C#", "Program.cs", _csharp(uri, body, secret), "dotnet new console"),
        Snippet("r", "R", "score.R", _r(uri, body, secret), 'install.packages("httr2")'),
    ]


def _json(body: Mapping[str, Any]) -> str:
    """ASCII only: a console in another encoding must not change the body."""
    return pretty(body, ascii_only=True)


def _curl(uri: str, body: Mapping[str, Any], key: str | None) -> str:
    lines = [f"curl --fail-with-body --request POST {shlex.quote(uri)}"]
    if key is not None:
        lines.append(f"--header {shlex.quote(f'Authorization: Bearer {key}')}")
    lines.append("--header 'Content-Type: application/json'")
    lines.append(f"--data-raw {shlex.quote(_json(body))}")
    return " \\\n  ".join(lines) + "\n"


def _python(uri: str, body: Mapping[str, Any], key: str | None) -> str:
    setup = f"SCORING_URI = {uri!r}\n" + (f"KEY = {key!r}\n" if key is not None else "")
    headers = '\n    headers={"Authorization": f"Bearer {KEY}"},' if key is not None else ""
    literal = _python_literal(_json(body))
    return f"""import requests

{setup}
body = {literal}

response = requests.post(
    SCORING_URI,
    json=body,{headers}
    timeout={TIMEOUT_SECONDS},
)
if not response.ok:
    raise SystemExit(f"{{response.status_code}}: {{response.text}}")
print(response.json())
"""


def _python_literal(text: str) -> str:
    """JSON as it stands where Python reads the same from it: without true, null, surrogates."""
    value = json.loads(text)
    try:
        if undisturbed(lambda: ast.literal_eval(text)) == value:
            return text
    except ValueError:
        pass
    return pprint.pformat(value, width=88, compact=True, sort_dicts=False)


def _javascript(uri: str, body: Mapping[str, Any], key: str | None) -> str:
    setup = f"const scoringUri = {json.dumps(uri)};\n"
    setup += f"const key = {json.dumps(key)};\n" if key is not None else ""
    auth = "\n    Authorization: `Bearer ${key}`," if key is not None else ""
    literal = _json(body)
    if "__proto__" in literal:  # in an object literal this name would set the prototype
        literal = f"JSON.parse({json.dumps(json.dumps(body))})"
    return f"""{setup}
const body = {literal};

const response = await fetch(scoringUri, {{
  method: "POST",
  headers: {{{auth}
    "Content-Type": "application/json",
  }},
  body: JSON.stringify(body),
  signal: AbortSignal.timeout({TIMEOUT_SECONDS * 1000}),
}});
if (!response.ok) {{
  throw new Error(`${{response.status}}: ${{await response.text()}}`);
}}
console.log(await response.json());
"""


def _csharp(uri: str, body: Mapping[str, Any], key: str | None) -> str:
    setup = f"const string ScoringUri = {json.dumps(uri)};\n"
    setup += f"const string Key = {json.dumps(key)};\n" if key is not None else ""
    using = "using System.Net.Http.Headers;\n" if key is not None else ""
    auth = (
        "client.DefaultRequestHeaders.Authorization = "
        'new AuthenticationHeaderValue("Bearer", Key);\n'
        if key is not None
        else ""
    )
    # JSON never holds three quotes in a row, so a raw string literal needs no more than three
    return f"""{using}using System.Text;

{setup}
const string Body = \"\"\"
{_json(body)}
\"\"\";

using var client = new HttpClient {{ Timeout = TimeSpan.FromSeconds({TIMEOUT_SECONDS}) }};
{auth}
using var content = new StringContent(Body, Encoding.UTF8, "application/json");
using var response = await client.PostAsync(ScoringUri, content);
var answer = await response.Content.ReadAsStringAsync();
if (!response.IsSuccessStatusCode)
{{
    Console.Error.WriteLine($"{{(int)response.StatusCode}}: {{answer}}");
    return 1;
}}
Console.WriteLine(answer);
return 0;
"""


def _r_raw(text: str) -> str:
    """R's raw string with as many dashes as the text needs."""
    dashes = ""
    while f']{dashes}"' in text:
        dashes += "-"
    return f'r"{dashes}[{text}]{dashes}"'


def _r(uri: str, body: Mapping[str, Any], key: str | None) -> str:
    setup = f"scoring_uri <- {_r_raw(uri)}\n"
    setup += f"key <- {_r_raw(key)}\n" if key is not None else ""
    auth = "\n  req_auth_bearer_token(key) |>" if key is not None else ""
    return f"""library(httr2)

{setup}
body <- {_r_raw(_json(body))}

response <- request(scoring_uri) |>{auth}
  req_body_raw(body, type = "application/json") |>
  req_timeout({TIMEOUT_SECONDS}) |>
  req_error(body = function(resp) resp_body_string(resp)) |>
  req_perform()

print(resp_body_json(response))
"""
