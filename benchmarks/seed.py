"""Fills an MLflow store with many runs: `python -m benchmarks.seed URI --runs 100000`.

Eight runs of ten are in one experiment, the rest in nineteen; each has 20 metrics, 20 parameters
and 5 tags, and one run has a metric of 1,000,000 points. The tables are MLflow's own; the rows are
made by the database itself, in the order in which a client would log them, the same every time.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

EXPERIMENTS = 20
LARGE = "large"  # the experiment of eight runs of ten
METRICS = PARAMS = 20
POINTS = 1_000_000
LONG = "loss"  # the metric that has them
FIRST_START = 1_700_000_000_000  # ms; a run begins every second
BATCH = 5_000  # runs at once, so that rows of a run lie together

# {n} number of the run, {k} of the key: a value below one that looks like chance
NOISE = "CAST(({n} * 7919 + {k} * 104729 + ({n} % 13) * {k} * 31) % 1000003 AS DOUBLE PRECISION)"
METRIC_VALUE = f"{NOISE.format(n='s.n', k='k.n')} / 1000003.0"
IS_NAN = "(k.n = 19 AND s.n % 97 = 0)"
FILL = {
    "latest_metrics (key, value, timestamp, step, is_nan, run_uuid)": f"""
        SELECT 'metric_' || k.name, CASE WHEN {IS_NAN} THEN 0 ELSE {METRIC_VALUE} END,
            {FIRST_START} + s.n * 1000 + 500, 10, {{is_nan}}, s.run_uuid
        FROM seed_runs s CROSS JOIN seed_keys k""",
    "metrics (key, value, timestamp, step, is_nan, run_uuid)": f"""
        SELECT 'metric_' || k.name, CASE WHEN {IS_NAN} THEN 0 ELSE {METRIC_VALUE} END,
            {FIRST_START} + s.n * 1000 + 500, 10, {{is_nan}}, s.run_uuid
        FROM seed_runs s CROSS JOIN seed_keys k""",
    "params (key, value, run_uuid)": """
        SELECT 'param_' || k.name,
            CASE k.n % 4 WHEN 0 THEN 'choice ' || CAST((s.n * 31 + k.n) % 10 AS TEXT)
                WHEN 1 THEN CAST((s.n * 17 + k.n) % 1000 AS TEXT)
                WHEN 2 THEN CAST(s.n AS TEXT) ELSE 'the same' END, s.run_uuid
        FROM seed_runs s CROSS JOIN seed_keys k""",
    "tags (key, value, run_uuid)": """
        SELECT t.name, CASE t.n WHEN 0 THEN 'user-' || CAST(s.n % 25 AS TEXT)
            WHEN 1 THEN 'train.py' WHEN 2 THEN 'LOCAL'
            WHEN 3 THEN 'run-' || CAST(s.n AS TEXT)
            ELSE 'team ' || CAST(s.n % 5 AS TEXT) END, s.run_uuid
        FROM seed_runs s CROSS JOIN seed_tags t""",
}
TAGS = ("mlflow.user", "mlflow.source.name", "mlflow.source.type", "mlflow.runName", "team")


class RefusedError(Exception):
    """The store is not one to fill; the message says why."""


def seed(uri: str, *, runs: int, points: int = POINTS, into_studio: bool = False) -> str:
    """Fill a store, which is made when it is absent; leaves MLflow's schema as it is.

    Args:
        uri: SQLAlchemy's, of SQLite or PostgreSQL.
        into_studio: whether the store may be the studio's own, or one that has runs.
    Returns: the id of the run with the long metric.
    Raises:
        RefusedError: it is the studio's store, or there are runs in it.
    """
    import sqlalchemy
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    if not into_studio and _is_studios(uri):
        raise RefusedError("This is the studio's own store (SLIPWAY_TRACKING_URI).")
    made: Any = SqlAlchemyStore(uri, "mlflow-artifacts:/")
    engine: Engine = made.engine
    with engine.connect() as connection:
        if not into_studio and connection.scalar(sqlalchemy.text("SELECT count(*) FROM runs")):
            raise RefusedError("There are runs in this store already.")
    experiments = [made.create_experiment(name) for name in _names()]
    made._dispose_engine()
    engine = sqlalchemy.create_engine(uri, poolclass=sqlalchemy.pool.NullPool)
    with engine.connect() as connection:
        _prepare(connection)
        long_run = _fill(connection, experiments, runs, points)
        _settle(connection)
    engine.dispose()
    return long_run


def _names() -> list[str]:
    return [LARGE, *(f"small {number}" for number in range(1, EXPERIMENTS))]


def _is_studios(uri: str) -> bool:
    from config.env import load

    def bare(text: str) -> str:
        scheme, _, rest = text.partition("://")
        if scheme.startswith("sqlite"):
            return str(Path(rest.removeprefix("/")).resolve())
        return rest.partition("@")[2] or rest

    return bare(load().tracking_uri) == bare(uri)


def _prepare(connection: Connection) -> None:
    """What a benchmark's store may do and no other: forget it all when the machine stops."""
    text = _text()
    if _is_sqlite(connection):
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-600000"):
            connection.execute(text(f"PRAGMA {pragma}"))
    else:
        connection.execute(text("SET synchronous_commit = off"))
    connection.execute(text("CREATE TEMPORARY TABLE seed_runs (n BIGINT, run_uuid VARCHAR(32))"))
    for table, names in {
        "seed_keys": [f"{number:02d}" for number in range(METRICS)],
        "seed_tags": list(TAGS),
    }.items():
        connection.execute(text(f"CREATE TEMPORARY TABLE {table} (n BIGINT, name VARCHAR(50))"))
        rows = [{"n": number, "name": name} for number, name in enumerate(names)]
        connection.execute(text(f"INSERT INTO {table} VALUES (:n, :name)"), rows)
    connection.commit()


def _fill(connection: Connection, experiments: list[str], runs: int, points: int) -> str:
    chance = random.Random(20)
    long_run = ""
    for first in range(1, runs + 1, BATCH):
        numbers = range(first, min(first + BATCH, runs + 1))
        rows = [_run(number, experiments, chance) for number in numbers]
        long_run = long_run or rows[0]["run_uuid"]
        _insert_runs(connection, rows)
        for table, query in FILL.items():
            is_nan = (
                IS_NAN if not _is_sqlite(connection) else f"CASE WHEN {IS_NAN} THEN 1 ELSE 0 END"
            )
            order = "ORDER BY s.n"
            connection.execute(
                _text()(f"INSERT INTO {table} {query.format(is_nan=is_nan)} {order}")
            )
        connection.commit()
    _long_metric(connection, long_run, points)
    return long_run


def _run(number: int, experiments: list[str], chance: random.Random) -> dict[str, Any]:
    small = number % 5 == 0
    experiment = experiments[1 + number // 5 % (EXPERIMENTS - 1)] if small else experiments[0]
    start = FIRST_START + number * 1000
    run_id = f"{chance.getrandbits(128):032x}"
    return {
        "n": number,
        "run_uuid": run_id,
        "name": f"run-{number}",
        "experiment_id": int(experiment),
        "status": "FAILED" if number % 50 == 7 else "FINISHED",
        "start_time": start,
        "end_time": start + 60_000,
        "artifact_uri": f"mlflow-artifacts:/{experiment}/{run_id}/artifacts",
    }


def _insert_runs(connection: Connection, rows: list[dict[str, Any]]) -> None:
    text = _text()
    connection.execute(text("DELETE FROM seed_runs"))
    connection.execute(text("INSERT INTO seed_runs VALUES (:n, :run_uuid)"), rows)
    columns = "run_uuid, name, experiment_id, status, start_time, end_time, artifact_uri"
    values = ", ".join(f":{name}" for name in columns.split(", "))
    more = "source_type, source_name, entry_point_name, user_id, source_version, lifecycle_stage"
    query = (
        f"INSERT INTO runs ({columns}, {more}) "
        f"VALUES ({values}, 'UNKNOWN', '', '', 'someone', '', 'active')"
    )
    connection.execute(text(query), rows)


def _long_metric(connection: Connection, run_id: str, points: int) -> None:
    """A curve that falls, with noise and a few peaks one point wide."""
    if not points:
        return
    numbers = (
        "WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n < :points - 1)"
        if _is_sqlite(connection)
        else "WITH s AS (SELECT generate_series(CAST(0 AS BIGINT), :points - 1) AS n)"
    )
    false = "0" if _is_sqlite(connection) else "false"
    value = (
        "100.0 / (1 + CAST(s.n AS DOUBLE PRECISION) / 50000) "
        f"+ {NOISE.format(n='s.n', k='1')} / 1000003.0 "
        "+ CASE WHEN s.n % 100003 = 50000 THEN 250 ELSE 0 END"
    )
    given = {"points": points, "run": run_id, "key": LONG}
    query = (
        "INSERT INTO metrics (key, value, timestamp, step, is_nan, run_uuid) "
        f"{numbers} SELECT CAST(:key AS VARCHAR(250)), {value}, {FIRST_START} + s.n * 10, s.n, "
        f"{false}, CAST(:run AS VARCHAR(32)) FROM s"
    )
    connection.execute(_text()(query), given)
    latest = (
        "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) "
        "SELECT key, value, timestamp, step, is_nan, run_uuid FROM metrics "
        "WHERE run_uuid = :run AND key = :key ORDER BY step DESC LIMIT 1"
    )
    connection.execute(_text()(latest), {"run": run_id, "key": LONG})
    connection.commit()


def _settle(connection: Connection) -> None:
    """As a store is after its first day: WAL, and on PostgreSQL the statistics it keeps itself."""
    for table in ("seed_runs", "seed_keys", "seed_tags"):
        connection.execute(_text()(f"DROP TABLE {table}"))
    connection.commit()
    if _is_sqlite(connection):
        connection.execute(_text()("PRAGMA journal_mode=WAL"))
        return
    connection.execution_options(isolation_level="AUTOCOMMIT")
    connection.execute(_text()("VACUUM ANALYZE"))


def _is_sqlite(connection: Connection) -> bool:
    return connection.dialect.name == "sqlite"


def _text() -> Any:
    import sqlalchemy

    return sqlalchemy.text


def main() -> int:
    """Fill the store that is named."""
    parser = argparse.ArgumentParser(prog="benchmarks.seed", description=__doc__)
    parser.add_argument("uri", help="sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/DB")
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--points", type=int, default=POINTS, help="of the long metric")
    parser.add_argument(
        "--into-studio", action="store_true", help="even if the studio uses it or it has runs"
    )
    options = parser.parse_args()
    started = time.monotonic()
    try:
        run_id = seed(
            options.uri,
            runs=options.runs,
            points=options.points,
            into_studio=options.into_studio,
        )
    except RefusedError as refused:
        print(f"{refused} Say --into-studio to fill it all the same.", file=sys.stderr)
        return 1
    took = time.monotonic() - started
    print(f"{options.runs:,} runs in {took:.0f} s; {LONG!r} is long in run {run_id}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
