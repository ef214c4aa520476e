"""The page at /docs: the service's OpenAPI document for people, without anything from elsewhere."""

from __future__ import annotations

import base64
import functools
import hashlib
import re

DOCS_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Service</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
pre { background: #f4f4f5; padding: 1rem; overflow: auto; border-radius: .5rem }
h2 code { background: none } .method { text-transform: uppercase; font-weight: 600 }
@media (prefers-color-scheme: dark) {
  body { background: #18181b; color: #e4e4e7 } pre { background: #27272a } a { color: #93c5fd }
}
</style>
<h1 id="title">Service</h1>
<p id="about"></p>
<p><label>Key <input id="key" type="password" autocomplete="off"></label>
<button id="show" type="button">Show</button> <span id="state" role="status"></span></p>
<main id="paths"></main>
<script>
"use strict";
const by = (id) => document.getElementById(id);
const make = (name, text, parent) => {
  const element = document.createElement(name);
  element.textContent = text;
  return parent.appendChild(element);
};
const resolve = (document_, schema) => {
  const name = schema && schema.$ref && schema.$ref.split("/").pop();
  return name ? document_.components.schemas[name] : schema;
};
function operation(document_, path, method, found) {
  const section = make("section", "", by("paths"));
  const heading = make("h2", "", section);
  make("span", method + " ", heading).className = "method";
  make("code", path, heading);
  make("p", found.summary || found.operationId || "", section);
  const content = found.requestBody && found.requestBody.content["application/json"];
  if (content) {
    const schema = resolve(document_, content.schema);
    if (schema.example) {
      make("h3", "Example", section);
      make("pre", JSON.stringify(schema.example, null, 2), section);
    }
    make("h3", "Input", section);
    make("pre", JSON.stringify(schema, null, 2), section);
  }
  const answers = make("ul", "", section);
  for (const [code, answer] of Object.entries(found.responses)) {
    make("li", code + ": " + answer.description, answers);
  }
}
async function show() {
  const key = by("key").value;
  const headers = key ? { authorization: "Bearer " + key } : {};
  const answer = await fetch("swagger.json?version=3", { headers });
  const document_ = await answer.json();
  by("state").textContent = answer.ok ? "" : document_.message;
  by("paths").replaceChildren();
  if (!answer.ok) return;
  document.title = by("title").textContent = document_.info.title;
  by("about").textContent = document_.info.description || "";
  for (const [path, methods] of Object.entries(document_.paths)) {
    for (const [method, found] of Object.entries(methods)) {
      operation(document_, path, method, found);
    }
  }
}
by("show").addEventListener("click", show);
show();
</script>
</html>
"""


@functools.lru_cache(maxsize=1)
def docs_policy() -> str:
    """Return the page's Content-Security-Policy: its own style and script, and no other."""
    allowed = []
    for name in ("script", "style"):
        text = re.findall(rf"(?s)<{name}>(.*?)</{name}>", DOCS_PAGE)[0]
        digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
        allowed.append(f"{name}-src 'sha256-{digest}'")
    return f"default-src 'none'; connect-src 'self'; {'; '.join(allowed)}; frame-ancestors 'none'"
