"""`up` stops local replicas through their stop file, and kills by identity what does not stop."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from serving.contract import LOCK_FILE, RECORD_FILE, STOP_FILE
from studio.supervisor.folder import identity, is_locked
from studio.supervisor.services import running_replicas, stop_all

# the part of a replica's master that matters here: it holds the lock and looks for the stop file
MASTER = f"""
import fcntl, pathlib, sys, time
folder, obeys = pathlib.Path(sys.argv[1]), sys.argv[2] == "obeys"
lock = open(folder / "{LOCK_FILE}", "w")
fcntl.flock(lock, fcntl.LOCK_EX)
while not (obeys and (folder / "{STOP_FILE}").exists()):
    time.sleep(0.02)
"""


def start_replica(folder: Path, manner: str) -> subprocess.Popen[bytes]:
    folder.mkdir(parents=True)
    process = subprocess.Popen([sys.executable, "-c", MASTER, str(folder), manner])
    (folder / RECORD_FILE).write_text(json.dumps(identity(process.pid)))
    deadline = time.monotonic() + 10
    while not is_locked(folder / LOCK_FILE):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


def test_a_replica_that_obeys_its_stop_file_ends_by_itself(tmp_path: Path) -> None:
    process = start_replica(tmp_path / "ridge" / "1" / "0", "obeys")
    assert stop_all(tmp_path) == ["ridge"]
    assert process.wait(timeout=5) == 0
    assert running_replicas(tmp_path) == []


def test_a_replica_that_does_not_stop_is_killed_after_the_patience(tmp_path: Path) -> None:
    process = start_replica(tmp_path / "ridge" / "1" / "0", "ignores")
    assert stop_all(tmp_path, patience=0.3) == ["ridge"]
    process.wait(timeout=5)  # raises when it lives on


def test_a_record_of_an_earlier_process_with_the_same_number_kills_nobody(tmp_path: Path) -> None:
    folder = tmp_path / "ridge" / "1" / "0"
    process = start_replica(folder, "ignores")
    try:
        (folder / RECORD_FILE).write_text(json.dumps({"pid": process.pid, "create_time": 1.0}))
        stop_all(tmp_path, patience=0.3)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.3)
    finally:
        process.kill()
        process.wait()


def test_folders_without_a_running_master_are_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "ridge" / "1" / "0"
    folder.mkdir(parents=True)
    (folder / LOCK_FILE).touch()
    assert stop_all(tmp_path) == []
    assert not (folder / STOP_FILE).exists()
