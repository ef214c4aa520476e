"""A @rawhttp script: does what its argument `do` says."""

import time

from azureml.contrib.services.aml_request import AMLRequest, rawhttp
from azureml.contrib.services.aml_response import AMLResponse
from azureml.core.model import Model

CLOSED = []


def init():
    global path
    path = Model.get_model_path("first")


@rawhttp
def run(request):
    if request.method == "OPTIONS":
        return AMLResponse("allowed", 200, {"Allow": "GET,POST"})
    todo = request.args.get("do", "describe")
    return globals()[todo](request)


def describe(request):
    told = {
        "method": request.method,
        "path": request.path,
        "url": request.url,
        "args": request.args.to_dict(flat=False),
        "text": request.get_data(as_text=True),
        "length": len(request.data),
        "json": request.get_json(silent=True),
        "form": dict(request.form),
        "files": {name: describe_file(file) for name, file in request.files.items()},
        "type": request.headers.get("content-type"),
        "names": sorted(request.headers),
        "is_request": isinstance(request, AMLRequest),
    }
    return AMLResponse(told, 200, json_str=True)


def describe_file(file):
    return {"filename": file.filename, "type": file.content_type, "bytes": list(file.read())[:8]}


def status(request):
    return AMLResponse("told", int(request.args["code"]))


def none(request):
    return AMLResponse(None, 200)


def text(request):
    return AMLResponse("text", 201, {"x-many": "1,2", "x-one": "z"})


def as_json(request):
    return AMLResponse("text", 200, json_str=True)


def document(request):
    return AMLResponse({"a": 1}, 200)


def binary(request):
    return AMLResponse(b"\x00\x01", 200, {"content-type": "image/png"})


def failed(request):
    return AMLResponse("no", 200, run_function_failed=True)


def ids(request):
    mine = {"x-request-id": "mine", "x-ms-request-id": "mine", "content-length": "999"}
    return AMLResponse("told", 200, mine)


def cors(request):
    answer = AMLResponse("told", 200)
    answer.headers["Access-Control-Allow-Origin"] = "http://example.com"
    return answer


def split(request):
    return AMLResponse("told", 200, {"x-bad": "a\r\nx-injected: b"})


def flasks(request):
    from flask import Response

    answer = Response("flask's", status=444, headers={"x-own": "1"}, mimetype="text/x-mine")
    answer.set_cookie("seen", "yes")
    return answer


def flask_stream(request):
    from flask import Response

    return Response(iter(["a", "b"]), mimetype="text/event-stream")


def bare(request):
    return {"plain": True}


def needs_json(request):
    return request.get_json()


def stream(request):
    return AMLResponse((piece for piece in ["one,", "two,", "three"]), 200)


def breaks(request):
    def pieces():
        yield "one"
        raise RuntimeError("in the middle of a stream")

    return AMLResponse(pieces(), 200)


def endless(request):
    def pieces():
        try:
            while True:
                yield "x" * 65536
        finally:
            CLOSED.append(time.time())

    return AMLResponse(pieces(), 200)


def closed(request):
    return len(CLOSED)


def model(request):
    return path
