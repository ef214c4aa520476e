"""Names and record shapes shared by the control plane and the data plane.

This is the only module of `serving` that the apps import. It holds no logic: names of files,
routes, headers and the typed shape of each JSON document that crosses the border.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict

if TYPE_CHECKING:  # NotRequired came with Python 3.11, and a model may bring an older Python
    from typing import NotRequired

# --- one replica's folder: <data>/services/<service>/<revision>/<replica>/ --------------------
CONFIG_FILE = "service.json"  # ReplicaConfig; written by the driver before start
AUTH_FILE = "auth.json"  # AuthDocument; 0600, replaced by rename, re-read within a second
LOCK_FILE = "lock"  # flock held by the master for as long as it lives
RECORD_FILE = "runtime.json"  # RuntimeRecord; written by the master
LOG_FILE = "service.log"  # stdout and stderr of master and workers, rotated to service.log.1
MB = 1024 * 1024  # bytes, in every memory_mb
METRICS_FILES = "metrics-*.json"  # one per worker; counters go on from it after a restart
STOP_FILE = "stop"  # present: the master ends its workers and exits 0

# --- routes every runtime answers -------------------------------------------------------------
HEALTH_PATH = "/health"  # 200 when the model is loaded, 503 before
SCORE_PATH = "/score"
INVOCATIONS_PATH = "/invocations"
V2_PREFIX = "/v2"  # Open Inference Protocol
OPEN_PATHS = frozenset({"/", "/ping", "/health"})  # answered without a key
GATEWAY_PREFIX = "/api/v1/service/"  # <prefix><service>/<rest> -> /<rest>
GATEWAY_PATHS = ("score", "invocations", "ping", "health", "swagger.json", "docs", "v2")

# --- headers ----------------------------------------------------------------------------------
REQUEST_ID_HEADER = "x-request-id"
MAX_REQUEST_ID = 100  # characters; longer is 431 (azmlinfsrv)
STUDIO_HEADER = "x-slipway-caller"  # "probe", "smoke" or "test"; trusted only with the studio's key

# --- gateway documents, below <data>/run/ -----------------------------------------------------
ROUTES_FILE = "routes.json"  # RoutesDocument; written by the control plane by rename
APPLIED_FILE = "gateway.json"  # {"version": int, "pid": int}; written by the gateway

# --- exit codes of a replica's master ---------------------------------------------------------
EXIT_OK = 0
EXIT_LOAD_FAILED = 3  # model or script did not load (azmlinfsrv uses 3 as well)
EXIT_OUT_OF_MEMORY = 4  # a worker passed its memory limit before it was ever ready
EXIT_PORT_TAKEN = 5
EXIT_LOCKED = 6  # another master already runs this replica

MAX_BODY_BYTES = 100 * 1024 * 1024  # the AKS router's limit

MAX_QUEUE = 1000  # requests waiting per worker
MAX_BATCH_ROWS = 1024
STUCK_SECONDS = 10.0  # beyond the scoring timeout, before a worker with a hanging call is replaced

Phase = Literal["starting", "ready", "exited"]
Loader = Literal["fast", "plain", "script"]


class ModelFolder(TypedDict):
    """One of the models that an entry script is given."""

    name: str
    version: str
    path: str  # absolute; a file, or a folder whose content is the model
    folder: NotRequired[str]  # keep the content in a folder of this name, as v1 did with folders
    entry: NotRequired[str]  # what of the content is the model; the rest was written beside it


class ReplicaConfig(TypedDict):
    """Everything a replica needs to know; it holds no secret."""

    service: str
    revision: int
    replica: int
    digest: str
    host: str  # address to bind
    port: int
    model_dir: str  # an MLflow model folder (holds MLmodel)
    model_name: str
    model_version: str
    workers: int
    cpu: float  # cores
    memory_mb: int
    max_concurrent: int  # requests in the model at once per worker
    max_queue_wait_ms: int  # then 503 with Retry-After
    scoring_timeout_ms: int
    max_body_bytes: int
    verbose_errors: bool
    loader: Loader
    environment: NotRequired[dict[str, str]]  # environment variables for the model's code
    batch: NotRequired[bool]  # score waiting requests together; default False
    max_batch_rows: NotRequired[int]  # per batch; default MAX_BATCH_ROWS
    max_queue: NotRequired[int]  # requests waiting per worker, then 503 at once; default MAX_QUEUE
    entry_script: NotRequired[str]  # relative to source_dir; with the loader "script"
    source_dir: NotRequired[str]  # absolute
    access_log: NotRequired[bool]  # a line per request; default True
    trace_endpoint: NotRequired[str]  # OTLP over HTTP: http://collector:4318; absent: no traces
    trace_sample: NotRequired[float]  # 0..1 of the requests whose caller did not decide; default 1
    standalone: NotRequired[bool]  # no gateway in front; default False
    cors_origins: NotRequired[list[str]]  # "*" for all; used with standalone alone
    tls_cert: NotRequired[str]  # PEM file with the whole chain; used with standalone alone
    tls_key: NotRequired[str]  # PEM file
    models: NotRequired[list[ModelFolder]]  # of an entry script; default: the one of model_dir


class TrialPlan(TypedDict):
    """What `python -m serving try` does: load what a replica would load, and score one request."""

    config: ReplicaConfig  # of the replica that is thought of; address and limits are not used
    input: NotRequired[Any]  # a request's JSON; a text is the body as it stands. Absent: example
    content_type: NotRequired[str]  # of a text; default JSON
    output: NotRequired[Any]  # what it must answer; absent: not compared


class KeyHash(TypedDict):
    name: Literal["primary", "secondary", "studio"]
    sha256: str  # hex digest of the key's UTF-8 bytes


class TokenSettings(TypedDict):
    """Tokens a service accepts beside its keys: JWT, HS256, with `exp` and `aud`."""

    secret: str  # hexadecimal; the bytes it stands for sign the tokens
    audience: str  # name of the service


class AuthDocument(TypedDict):
    version: int
    enabled: bool
    keys: list[KeyHash]
    tokens: NotRequired[TokenSettings]  # absent: only keys open the service


class RuntimeRecord(TypedDict):
    """What the master says of itself. Valid only while LOCK_FILE is locked, or phase is exited."""

    phase: Phase
    pid: int
    create_time: float  # psutil.Process.create_time(), seconds since the epoch
    port: int
    digest: str
    auth_version: int
    restarts: int  # of workers, since this master started
    exit_code: int | None
    message: str  # plain words: "used 612 of 512 MB", "ModuleNotFoundError: No module named 'x'"
    load_seconds: float | None
    memory_mb: float | None  # proportional set size of master and workers


class Backend(TypedDict):
    revision: int
    url: str  # http://127.0.0.1:20001
    weight: int  # percent of the service's requests


class Route(TypedDict):
    backends: list[Backend]  # empty: 503 with `reason`
    reason: str
    cors_origins: NotRequired[list[str]]  # "*" for all; absent or empty: no CORS headers
    max_body_bytes: NotRequired[int]  # default MAX_BODY_BYTES


class RoutesDocument(TypedDict):
    version: int
    services: dict[str, Route]
