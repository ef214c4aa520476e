"""What browser tests do with a page: watch it, look at it, check that everyone can use it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request

ROOT = Path(__file__).resolve().parent.parent.parent
RESULTS = ROOT / "test-results"
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
AXE_COMMAND = "python scripts/vendor.py --dev"
WIDTHS = (1280, 1600)
THEMES = ("light", "dark")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-sync",
    "--metrics-recording-only",
    "--no-first-run",
    "--no-pings",
]
# read in the page before any script of it
REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`CSP: ${event.violatedDirective} blocked ${event.blockedURI} ${event.sample}`));
"""
# Plotly follows a resized window a moment later
CHARTS_FIT = """() => [...document.querySelectorAll(".chart .main-svg")].every(
  (svg) => svg.clientWidth <= svg.closest(".chart").clientWidth + 1
    && svg.clientHeight <= svg.closest(".chart").clientHeight + 1)"""
STATUS = re.compile(r"status of (\d{3})")


@dataclass
class Watch:
    """What went wrong in a page: console errors, CSP violations, requests to other hosts.

    A test that provokes an error status says so with `allow(404)`.
    """

    host: str
    allowed: set[int] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)

    def allow(self, *statuses: int) -> None:
        self.allowed.update(statuses)

    def attach(self, context: BrowserContext) -> None:
        context.add_init_script(REPORT_VIOLATIONS)
        context.on("console", self._console)
        context.on("weberror", lambda error: self.problems.append(f"exception: {error.error}"))
        context.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type != "error":
            return
        status = STATUS.search(message.text) or re.search(r"Error Code (\d{3})", message.text)
        if status and int(status[1]) in self.allowed:
            return
        self.problems.append(f"console: {message.text}")

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in {"http", "https", "ws", "wss"} and parts.netloc != self.host:
            self.problems.append(f"request to another host: {request.url}")


def look(page: Page, name: str) -> list[Path]:
    """Save screenshots at both widths in both themes below test-results/, and check each of them.

    Raises:
        AssertionError: the page is wider than the window, or axe finds something serious.
    """
    RESULTS.mkdir(exist_ok=True)
    saved = []
    for theme in THEMES:
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_function(CHARTS_FIT)
            assert_fits(page)
            path = RESULTS / f"{name}-{width}-{theme}.png"
            page.screenshot(path=path, full_page=True)
            saved.append(path)
        assert_accessible(page)
    return saved


def assert_fits(page: Page) -> None:
    """No sideways scrolling of the page as a whole."""
    wide, window = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= window, f"{page.url} is {wide} px wide in a window of {window} px"


def assert_accessible(page: Page, rules: Sequence[str] | None = None) -> None:
    """axe-core finds nothing serious or critical (WCAG 2.2 AA and its best practices).

    Args:
        rules: only these; the others do not depend on the theme.
    """
    assert AXE.is_file(), f"axe-core is missing: run {AXE_COMMAND}"
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE.read_text("utf-8"))
    options: dict[str, object] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = list(rules)
    result = page.evaluate("options => axe.run(document, options)", options)
    serious = [
        {
            "rule": row["id"],
            "help": row["help"],
            "where": [
                (node["target"], node["html"][:160], [check["data"] for check in node["any"]])
                for node in row["nodes"][:5]
            ],
        }
        for row in result["violations"]
        if row["impact"] in {"serious", "critical"}
    ]
    assert not serious, f"{page.url}\n{json.dumps(serious, indent=2)}"
