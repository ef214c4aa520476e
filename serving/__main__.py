"""Commands of the data plane: replica, gateway, check, try (and worker, started by a master).

Without a command, `python -m serving --model DIR --port N` serves one model alone.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

# Fields of serving.gateway.limits.Limits, which hold the defaults; imported only by a gateway.
GATEWAY_LIMITS: dict[str, type] = {
    "max-body-bytes": int,
    "max-answer-bytes": int,
    "max-connections": int,
    "head-timeout": float,
    "body-timeout": float,
}


def parser() -> argparse.ArgumentParser:
    """Return the argument parser of every command."""
    top = argparse.ArgumentParser(
        prog="serving", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = top.add_subparsers(dest="command", required=True)

    replica = commands.add_parser("replica", help="run one replica: a master and its workers")
    replica.add_argument("--dir", type=Path, required=True, help="folder that holds service.json")
    replica.add_argument("--lock-fd", type=int, help="inherited descriptor that holds the lock")

    worker = commands.add_parser("worker", help="one worker; only a master starts it")
    worker.add_argument("--dir", type=Path, required=True)
    for name in ("--index", "--socket-fd", "--report-fd", "--life-fd", "--master"):
        worker.add_argument(name, type=int, required=True)
    worker.add_argument("--late", action="store_true", help="accept only when the model is loaded")

    gateway = commands.add_parser("gateway", help="run the gateway")
    gateway.add_argument("--run-dir", type=Path, required=True, help="holds routes.json")
    gateway.add_argument("--host", default="127.0.0.1")
    gateway.add_argument("--port", type=int, required=True)
    for name, kind in GATEWAY_LIMITS.items():
        gateway.add_argument(f"--{name}", type=kind, help="see the Gateway's reference")
    gateway.add_argument("--tls-cert", type=Path, help="certificate chain, PEM; with --tls-key")
    gateway.add_argument("--tls-key", type=Path, help="its key, PEM, without a password")

    check = commands.add_parser("check", help="load a model, score its input example, print JSON")
    check.add_argument("--model", type=Path, required=True, help="MLflow model folder")
    check.add_argument("--loader", choices=("fast", "plain"), help="default: what suits the model")

    trial = commands.add_parser("try", help="load what a replica would, score a sample, print JSON")
    trial.add_argument("--plan", type=Path, required=True, help="JSON: serving.contract.TrialPlan")
    return top


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code. Each imports only what it needs.

    Options without a command serve one model alone (serving/standalone.py).
    """
    words = sys.argv[1:] if argv is None else argv
    if _is_standalone(words):
        from serving.standalone import run_standalone

        return run_standalone(words)
    args = parser().parse_args(words)
    if args.command == "replica":
        from serving.master import run_replica

        return run_replica(args.dir, lock_fd=args.lock_fd)
    if args.command == "worker":
        from serving.worker import WorkerFds, run_worker

        fds = WorkerFds(args.socket_fd, args.report_fd, args.life_fd)
        return run_worker(args.dir, args.index, fds, master=args.master, late=args.late)
    if args.command == "gateway":
        from serving.gateway import run_gateway
        from serving.gateway.limits import Limits

        if (args.tls_cert is None) != (args.tls_key is None):
            parser().error("--tls-cert and --tls-key go together")
        names = [name.replace("-", "_") for name in GATEWAY_LIMITS]
        limits = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
        tls = (args.tls_cert, args.tls_key) if args.tls_cert else None
        return run_gateway(args.run_dir, args.host, args.port, limits=Limits(**limits), tls=tls)
    if args.command == "try":
        from serving.trial import run_trial

        return run_trial(args.plan)
    from serving.check import run_check

    return run_check(args.model, args.loader)


def _is_standalone(words: list[str]) -> bool:
    if not words:  # all by variables, as in an image that the v1 server started in
        return "AZUREML_ENTRY_SCRIPT" in os.environ or "AZUREML_MODEL_DIR" in os.environ
    return words[0].startswith("-") and words[0] not in ("-h", "--help")


if __name__ == "__main__":
    sys.exit(main())
