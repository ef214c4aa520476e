"""What every loaded no-code model does alike: dialects, batches, refusals, answers."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

from serving.contract import MAX_BATCH_ROWS, ReplicaConfig
from serving.errors import ServingError, bad_input
from serving.explain import explain
from serving.loaders import encode, quick, v2
from serving.loaders.faults import INPUT_ERRORS, unusable
from serving.loaders.merge import layout, merged, parted, rows
from serving.loaders.signature import Signature
from serving.logs import request_id
from serving.payload import JSON_TYPE, Form, decode_json, media_type, read_form, short
from serving.scoring import INVOCATIONS, V2, Answer, Outcome, ScoreRequest

log = logging.getLogger("serving.model")

PLAIN_JSON = (None, JSON_TYPE)
QUICK: Hashable = ("quick",)
PREDICTIONS = b'{"predictions": '


class Read(NamedTuple):
    """What a payload means to a model."""

    data: Any
    params: dict[str, Any] | None
    wrapped: bool  # answer {"predictions": …}, else the bare result
    fixed: bool = False  # `wrapped` stands whatever the path


class Task(NamedTuple):
    """One request, parsed."""

    request: ScoreRequest
    form: Form | None  # None: CSV or Parquet
    wrapped: bool
    v2: v2.Question | None
    layout: Hashable | None  # equal ones are scored together; None is scored alone
    data: Any  # what to predict on; with the layout QUICK a list of rows
    params: dict[str, Any] | None = None


def _count(task: Task) -> int:
    """Return how many rows a task with a layout has."""
    return len(task.data) if task.layout == QUICK else rows(task.data)


class NoCode:
    """A loaded MLflow model; a loader says how it reads exactly, predicts and encodes.

    Use it from one thread: many libraries ask for that.
    """

    def __init__(
        self, config: ReplicaConfig, inputs: Signature | None, outputs: Signature | None
    ) -> None:
        self.config = config
        self.inputs, self.outputs = inputs, outputs
        self.columns = inputs.columns() if inputs else []
        self.documents: dict[str, bytes] = {}  # Swagger, by version; see loaders.load
        self.batches = bool(config.get("batch", False))
        self.max_rows = config.get("max_batch_rows", MAX_BATCH_ROWS)
        self.table = quick.Table.of(inputs)
        self.float_tensors = inputs is not None and quick.float_tensors(inputs)

    # --- what a loader gives ------------------------------------------------------------------

    def read(self, form: Form) -> Read:
        """Return what a JSON payload means to the model; raises whatever its libraries raise."""
        raise NotImplementedError

    def read_table(self, body: bytes, kind: str) -> Any:
        """Return a CSV or Parquet body as `read` does."""
        raise NotImplementedError

    def example(self) -> dict[str, Any] | None:
        """Return the model's example as a request's document; None where there is no good one."""
        raise NotImplementedError

    def feed(self, matrix: Any) -> Any:
        """Return rows of plain numbers, in the signature's order, as `read` would have."""
        raise NotImplementedError

    def predict(self, data: Any, params: dict[str, Any] | None) -> Any:
        """Return the model's result; raises whatever it raises."""
        raise NotImplementedError

    def to_json(self, raw: Any) -> bytes:
        """Return the result as JSON; raises TypeError where it cannot be."""
        return encode.dumps(encode.jsonable(raw))

    def blames_input(self, error: Exception) -> bool:
        """Whether an exception of `predict` is about its input rather than the model's fault."""
        raise NotImplementedError

    # --- scoring ------------------------------------------------------------------------------

    def answer(self, requests: Sequence[ScoreRequest]) -> list[Outcome]:
        """Return one outcome per request, in their order."""
        outcomes: list[Outcome | None] = [None] * len(requests)
        groups: dict[Hashable, list[tuple[int, Task]]] = {}
        for place, request in enumerate(requests):
            try:
                task = self.task(request)
                together = self.batches and len(requests) > 1 and task.layout is not None
                key = (task.layout, repr(task.params)) if together else place
                groups.setdefault(key, []).append((place, task))
            except Exception as error:
                outcomes[place] = self._unread(error, request)
        for group in groups.values():
            for part in self._bounded(group):
                found = self._score([task for _, task in part])
                for (place, _), outcome in zip(part, found):  # noqa: B905  # Python 3.9
                    outcomes[place] = outcome
        return [outcome for outcome in outcomes if outcome is not None]

    def _unread(self, error: Exception, request: ScoreRequest) -> ServingError:
        """Return the answer to one request that could not be parsed; its neighbours go on.

        The model did not run yet, so that what speaks of a value speaks of one in the request.
        """
        if isinstance(error, ServingError):
            return error
        request_id.set(request.request_id)
        if not isinstance(error, (*INPUT_ERRORS, RecursionError)):
            return self._failure(error)
        log.warning("a request could not be read", exc_info=error)
        return bad_input(f"The input cannot be read: {short(error)}")

    def _bounded(self, group: list[tuple[int, Task]]) -> list[list[tuple[int, Task]]]:
        """Return a group in parts of at most `max_batch_rows` rows, or of one request."""
        parts: list[list[tuple[int, Task]]] = []
        held = self.max_rows
        for place, task in group:
            count = _count(task) if len(group) > 1 else 0
            if not parts or held + count > self.max_rows:
                parts.append([])
                held = 0
            parts[-1].append((place, task))
            held += count
        return parts

    def task(self, request: ScoreRequest, *, exact: bool = False) -> Task:
        """Return a request, parsed; raises ServingError 400 or 415.

        Args:
            exact: do not try the quick path for plain numbers.
        """
        kind = JSON_TYPE if request.content_type in PLAIN_JSON else media_type(request.content_type)
        if request.dialect == V2 and kind != JSON_TYPE:
            raise ServingError(415, "The inference protocol is answered as JSON alone.")
        if kind != JSON_TYPE:
            return self._parse_table(request, kind)
        quickly = (self.table is not None or self.float_tensors) and not exact
        document = quick.loads(request.body) if quickly else None
        if type(document) is dict:
            if self.table is not None and len(document) == 1 and request.dialect != V2:
                cells = self.table.split_rows(document.get("dataframe_split"))
                if cells is not None:
                    form = Form("dataframe_split", document["dataframe_split"], None, wrapped=True)
                    return Task(request, form, True, None, QUICK, cells)
            task = self._task(request, document, exact=self.float_tensors)
            if task is not None:
                return task
        task = self._task(request, decode_json(request.body), exact=True)
        assert task is not None
        return task

    def _task(self, request: ScoreRequest, document: dict[str, Any], *, exact: bool) -> Task | None:
        question = None
        if request.dialect == V2:
            form, question = v2.read(document, self.inputs)
        else:
            form = read_form(document, self.columns)
        wrapped = form.wrapped or request.dialect == INVOCATIONS
        if not exact:
            assert self.table is not None
            cells = None if form.params else self.table.rows(form.key, form.value)
            return None if cells is None else Task(request, form, wrapped, question, QUICK, cells)
        try:
            found = self.read(form)
        except Exception as error:
            reason = explain((form.key, form.value), self.columns) or short(error)
            raise self._shaped(bad_input(reason), wrapped=form.wrapped) from error
        wrapped = found.wrapped or (wrapped and not found.fixed)
        place = layout(found.data)
        return Task(request, form, wrapped, question, place, found.data, found.params)

    def _parse_table(self, request: ScoreRequest, kind: str) -> Task:
        try:
            data = self.read_table(request.body, kind)
        except UnicodeDecodeError as error:
            text = f"The body cannot be decoded as UTF-8: {error.reason}."
            raise self._shaped(bad_input(text), wrapped=True) from error
        except ImportError as error:
            text = f"This model's environment has nothing that reads {kind}: {short(error)}"
            raise self._shaped(ServingError(415, text), wrapped=True) from error
        except Exception as error:
            raise self._shaped(bad_input(short(error)), wrapped=True) from error
        return Task(request, None, True, None, layout(data), data)

    @staticmethod
    def _shaped(error: ServingError, *, wrapped: bool) -> ServingError:
        error.mlflow = wrapped
        return error

    def _score(self, tasks: list[Task]) -> list[Outcome]:
        """Return the outcomes of tasks of one layout; when they fail together, each alone."""
        request_id.set(tasks[0].request.request_id if len(tasks) == 1 else "")
        try:
            if len(tasks) == 1:
                return [self._alone(tasks[0])]
            outcomes = self._together(tasks)
        except Exception as error:
            if len(tasks) == 1:
                return [error if isinstance(error, ServingError) else self._failure(error)]
            log.debug("scored one by one: %s", error)
            outcomes = None
        if outcomes is None:
            return [outcome for task in tasks for outcome in self._score([task])]
        return outcomes

    def together(self, tasks: Sequence[Task]) -> Any:
        """Return the data of tasks of one layout as one input, None when it cannot be."""
        if tasks[0].layout == QUICK:
            return self._fed([row for task in tasks for row in task.data])
        return merged([task.data for task in tasks])

    def _together(self, tasks: list[Task]) -> list[Outcome] | None:
        data = self.together(tasks)
        if data is None:
            return None
        counts = [_count(task) for task in tasks]
        raw = self.predict(data, tasks[0].params)
        texts = encode.each(raw, counts)
        if texts is not None and all(task.v2 is None for task in tasks):
            return [
                Answer(PREDICTIONS + text + b"}" if task.wrapped else text)
                for task, text in zip(tasks, texts)  # noqa: B905  # Python 3.9
            ]
        parts = parted(raw, counts)
        if parts is None:
            return None
        return [
            self._outcome(task, part)
            for task, part in zip(tasks, parts)  # noqa: B905  # Python 3.9
        ]

    def _fed(self, table: list[Any]) -> Any:
        assert self.table is not None
        matrix = self.table.matrix(table)
        return None if matrix is None else self.feed(matrix)

    def _alone(self, task: Task) -> Outcome:
        data = self._fed(task.data) if task.layout == QUICK else task.data
        if data is None:  # a cell is no plain number
            return self._alone(self.task(task.request, exact=True))
        try:
            raw = self.predict(data, task.params)
        except Exception as error:
            raise self._shaped(self.refusal(error, task, data), wrapped=task.wrapped) from error
        return self._outcome(task, raw)

    def _outcome(self, task: Task, raw: Any) -> Outcome:
        try:
            if task.v2 is not None:
                return Answer(v2.answer(self.config, task.v2, raw, self.outputs))
            text = self.to_json(raw)
        except ServingError as error:
            return error
        except Exception as error:
            return self._shaped(self._failure(error), wrapped=task.wrapped)
        return Answer(PREDICTIONS + text + b"}" if task.wrapped else text)

    # --- what went wrong ----------------------------------------------------------------------

    def refusal(self, error: Exception, task: Task, data: Any) -> ServingError:
        """Return the answer for an exception of `predict`: 400 about the input, else 500."""
        fault = unusable(data, self.table.names if self.table else None)
        if not fault and not self.blames_input(error):
            return self._failure(error)
        log.warning("input refused by the model", exc_info=error)
        # pandas fills a short row with missing values: then say that, not what came of it.
        structure = self.explained(task) if fault else None
        if structure:
            return bad_input(structure)
        start = fault or "The model did not accept the input"
        return bad_input(f"{start}: {short(error).splitlines()[0]}")

    def explained(self, task: Task) -> str | None:
        """Return which field of the input is wrong, or None when that is not known."""
        return explain((task.form.key, task.form.value), self.columns) if task.form else None

    def _failure(self, error: Exception) -> ServingError:
        log.error("the model raised an exception", exc_info=error)
        verbose = self.config["verbose_errors"]
        detail = f" {type(error).__name__}: {short(error)}" if verbose else ""
        return ServingError(500, f"The model raised an exception; the log has it.{detail}")

    # --- documents ----------------------------------------------------------------------------

    def v2_metadata(self) -> dict[str, Any]:
        """Return the model's metadata document of the Open Inference Protocol."""
        return v2.metadata(self.config, self.inputs, self.outputs)
