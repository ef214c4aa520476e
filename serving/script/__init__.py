"""Entry scripts of Azure ML v1: `init()` once, `run()` per request.

`load(config, folder)` gives a `Script`; `routes.ScriptRoutes` answers HTTP with it. The behaviour
follows the public documentation of that contract and what its server was seen to do; where it had
a trap we differ, and docs/reference/serving.md says so.
"""

from __future__ import annotations

from serving.script.script import Script, load

__all__ = ["Script", "load"]
