"""`make bench`: ours beside MLflow and other servers of its models, in one run; prints ratios.

Nothing is asserted. With every part run in full, docs/benchmarks.md is written anew.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from subprocess import SubprocessError

from benchmarks import cost, deploy, gateway, pages, report, scoring, startup
from benchmarks.contenders import ALL
from benchmarks.environments import Missing
from benchmarks.goals import Goal, goals
from benchmarks.models import NAMES
from benchmarks.scoring import CASES

OTHERS = {
    "gateway": gateway,
    "cost": cost,
    "startup": startup,
    "deploy": deploy,
    "pages": pages,
}
PARTS = ("scoring", *OTHERS)
LOADED = {"scoring", "gateway", "cost"}  # the parts that wrk asks


def parser() -> argparse.ArgumentParser:
    """Return the options of `make bench ARGS="…"`."""
    made = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    made.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: all of them")
    made.add_argument("--seconds", type=float, default=4.0, help="per measurement")
    made.add_argument("--models", nargs="*", choices=NAMES, default=NAMES)
    made.add_argument("--servers", nargs="*", choices=ALL, default=list(ALL), metavar="SERVER")
    made.add_argument("--clients", type=int, nargs="*", default=[1, 8, 64])
    made.add_argument("--rows", type=int, nargs="*", default=[1, 1000])
    made.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    return made


def main() -> int:
    """Run the chosen parts."""
    options = parser().parse_args()
    chosen = options.parts or PARTS
    missing = [name for name in ("nginx", "wrk") if shutil.which(name) is None]
    if missing and LOADED & set(chosen):
        print(f"{' and '.join(missing)} not found (Debian: nginx-light, wrk).", file=sys.stderr)
        return 1
    found, sections = list[Goal](), list[str]()
    table: scoring.Table = {}
    if "scoring" in chosen:
        cases = [case for case in CASES if case[0] in options.clients and case[1] in options.rows]
        table = scoring.run(options.models, options.servers, cases, options.seconds)
        found += goals(table)
    for name, part in OTHERS.items():
        if name not in chosen:
            continue
        try:
            more, section = part.section(options.seconds)
        except (Missing, RuntimeError, ValueError, OSError, SubprocessError) as error:
            print(f"Left out: {name}: {error}", file=sys.stderr)
            continue
        found += more
        sections.append(section)
    for rows in table.values():
        print(report.results_table(rows), end="\n\n")
    print(*sections, report.goals_table(found), sep="\n\n")
    if options.write:
        report.write(table, found, sections)
    return 0


if __name__ == "__main__":
    sys.exit(main())
