"""What files are is told by their bytes; nothing in them is run, and nothing makes it fail."""

from __future__ import annotations

import io
import json
import os
import pickle
import time
import zipfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from registry.formats import onnx as formats_onnx
from registry.formats import pickles as formats_pickle
from registry.formats import recognising as formats
from registry.formats import zips as formats_zip
from registry.formats.reading import Unreadable
from registry.formats.recognising import Found, recognise
from tests.registry import made

EXAMPLES = int(os.environ.get("SLIPWAY_TEST_EXAMPLES", "25"))


def look(files: dict[str, bytes]) -> Found:
    def read(path: str, offset: int, count: int) -> bytes:
        return files[path][offset : offset + count]

    return recognise([(path, len(content)) for path, content in files.items()], read)


def zipped(**members: bytes | str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/").replace("_json", ".json"), content)
    return target.getvalue()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_scikit_learn_pickle_is_known_with_its_version(protocol: int) -> None:
    found = look(made.sklearn_pickle(protocol).files)
    assert (found.format, found.version) == ("sklearn-pickle", version("scikit-learn"))
    assert found.facts["root"] == "sklearn.linear_model._ridge.Ridge"
    assert found.facts["modules"] == []
    assert found.wraps


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)])
def test_a_joblib_file_is_known_however_it_is_compressed(compress: Any) -> None:
    found = look(made.sklearn_joblib(compress).files)
    assert (found.format, found.version) == ("sklearn-joblib", version("scikit-learn"))
    assert found.facts["root"] == "sklearn.ensemble._forest.RandomForestRegressor"


def test_the_first_byte_of_a_pickle_alone_is_none() -> None:
    assert look({"model.pkl": b"\x80"}).format == "custom"


def test_a_joblib_file_is_known_whatever_its_name() -> None:
    found = look({"model.pkl": made.sklearn_joblib().content})
    assert found.format == "sklearn-joblib"


def test_a_skops_file_is_known_with_its_version_and_types() -> None:
    found = look(made.sklearn_skops().files)
    assert (found.format, found.version) == ("sklearn-skops", version("scikit-learn"))
    assert "sklearn.linear_model._ridge.Ridge" in found.facts["types"]


def test_an_onnx_file_tells_its_producer_and_its_inputs() -> None:
    found = look(made.onnx().files)
    assert found.format == "onnx"
    assert found.version.startswith("skl2onnx ")
    assert found.facts["ir"] > 0
    assert found.facts["opset"] > 0
    assert found.facts["inputs"] == [{"name": "X", "dtype": "float32", "shape": [-1, 4]}]


@pytest.mark.parametrize("ending", ["json", "ubj"])
@pytest.mark.parametrize("estimator", [True, False])
def test_an_xgboost_file_tells_its_version_columns_and_class(ending: str, estimator: bool) -> None:
    found = look(made.xgboost(ending, estimator=estimator).files)
    assert (found.format, found.version) == ("xgboost", version("xgboost-cpu"))
    assert found.facts["names"] == made.COLUMNS
    assert found.facts["serialization"] == ending
    expected = "xgboost.sklearn.XGBRegressor" if estimator else "xgboost.core.Booster"
    assert found.facts["model_class"] == expected


@pytest.mark.parametrize("key", ["feature_types", "feature_names"])
def test_a_file_of_keys_without_end_takes_no_time(key: str) -> None:
    begin = b'{"learner":{'
    content = begin + f'"{key}":['.encode() * (1_000_000 // len(f'"{key}":['))
    started = time.process_time()
    assert look({"m.json": content}).facts["names"] == []
    assert time.process_time() - started < 2


def test_an_old_binary_of_xgboost_is_known() -> None:
    content = (
        b"binf" + bytes(136) + b"\x10" + bytes(7) + b"reg:linear" + b"\x06" + b"gbtree" + bytes(99)
    )
    found = look({"old.model": content})
    assert (found.format, found.facts["serialization"]) == ("xgboost", "binary")


def test_a_lightgbm_file_tells_its_version_and_columns() -> None:
    found = look(made.lightgbm().files)
    assert (found.format, found.version) == ("lightgbm", "4")
    assert found.facts["names"] == made.COLUMNS


def test_a_lightgbm_file_with_categories_promises_no_columns_of_numbers() -> None:
    content = made.lightgbm().content.replace(
        b"pandas_categorical:[]", b'pandas_categorical:[["x", "y"]]'
    )
    assert look({"model.txt": content}).facts["names"] == []


PYTORCH = zipped(archive__data__pkl=b"", archive__version="3").replace(b"data/pkl", b"data.pkl")
FORMATS: dict[str, tuple[dict[str, bytes], str, str]] = {
    "mlflow": ({"MLmodel": b"", "model.pkl": b""}, "mlflow", ""),
    "saved model": ({"tf/saved_model.pb": b"x", "tf/variables/v": b""}, "tensorflow", ""),
    "keras saved model": ({"saved_model.pb": b"", "keras_metadata.pb": b""}, "keras", ""),
    "keras 3": (
        {"m.keras": zipped(config_json="{}", metadata_json='{"keras_version": "3.4.1"}')},
        "keras",
        "3.4.1",
    ),
    "hdf5": (
        {"m.h5": formats.HDF5 + bytes(50) + b"keras_version" + bytes(40) + b"2.11.0\0"},
        "keras",
        "2.11.0",
    ),
    "pytorch": ({"m.pt": PYTORCH}, "pytorch", ""),
    "old pytorch": ({"m.pth": formats_pickle.TORCH + b"x"}, "pytorch", ""),
    "a table": ({"data.csv": b"a,b\n1,2\n"}, "custom", ""),
    "nothing": ({}, "custom", ""),
    "another zip": ({"a.zip": zipped(a="b")}, "custom", ""),
    "another json": ({"config.json": b'{"a": 1}'}, "custom", ""),
    "a pickled dictionary": ({"model.pkl": pickle.dumps({"a": 1})}, "custom", ""),
    "two of one kind": ({"a.pt": PYTORCH, "b.pt": PYTORCH}, "pytorch", ""),
    "two kinds": (
        {"a.pt": PYTORCH, "m.keras": zipped(config_json="{}", metadata_json="{}")},
        "multi",
        "",
    ),
}


@pytest.mark.parametrize("case", FORMATS)
def test_other_formats_are_known_by_small_marks(case: str) -> None:
    files, format_, told = FORMATS[case]
    found = look(files)
    assert (found.format, found.version) == (format_, told)
    assert not found.wraps


def test_a_pickle_of_the_programs_own_classes_is_not_wrapped() -> None:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    def shape(rows: Any) -> Any:
        return rows

    shape.__module__, shape.__qualname__ = "__main__", "shape"
    import sys

    sys.modules["__main__"].shape = shape  # type: ignore[attr-defined]
    try:
        content = pickle.dumps(make_pipeline(FunctionTransformer(shape), made.ridge()))
    finally:
        del sys.modules["__main__"].shape  # type: ignore[attr-defined]
    found = look({"model.pkl": content})
    assert found.format == "sklearn-pickle"
    assert not found.wraps
    assert "__main__" in found.problem


def test_a_pickle_that_runs_code_when_loaded_is_only_looked_at(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (os.system, (f"touch {tmp_path}/ran",))

    content = made.sklearn_pickle().content[:-1] + pickle.dumps(Evil())
    for files in ({"model.pkl": pickle.dumps(Evil())}, {"model.pkl": content}):
        look(files)
    assert not (tmp_path / "ran").exists()


# --- anything else -------------------------------------------------------------------------------


def _broken(maker: Callable[[], made.Made]) -> Any:
    """Real files with bytes changed, cut or added."""
    item = maker()
    return st.builds(
        lambda at, new, cut: {
            item.file_name: (
                item.content[: at % len(item.content)]
                + new
                + item.content[at % len(item.content) + cut :]
            )
        },
        st.integers(0, 10**6),
        st.binary(max_size=12),
        st.integers(0, 400),
    )


@pytest.mark.parametrize("kind", made.WRAPPED)
def test_a_damaged_file_never_fails(kind: str) -> None:
    @settings(max_examples=EXAMPLES, deadline=None)
    @given(files=_broken(made.WRAPPED[kind]))  # type: ignore[arg-type]
    def check(files: dict[str, bytes]) -> None:
        found = look(files)
        assert found.format in formats.KINDS
        json.dumps(found.facts)

    check()


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    name=st.sampled_from(
        ["m.onnx", "m.pkl", "m.joblib", "m.keras", "m.h5", "m.json", "m.txt", "m"]
    ),
    start=st.sampled_from(
        [
            b"",
            b"PK\x03\x04",
            b"\x80\x04\x95",
            b"tree\nversion=v",
            b'{"learner":',
            b"{L",
            b"\x08\x08",
        ]
    ),
    rest=st.binary(max_size=300),
)
@example("m.onnx", b"", b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")
def test_any_bytes_are_of_some_format(name: str, start: bytes, rest: bytes) -> None:
    assert look({name: start + rest}).format in formats.KINDS


@settings(max_examples=EXAMPLES, deadline=None)
@given(content=st.binary(max_size=200))
def test_the_readers_have_one_way_to_fail(content: bytes) -> None:
    def read(path: str, offset: int, count: int) -> bytes:
        return content[offset : offset + count]

    for reader in (formats_onnx.look, formats_zip.look):
        try:
            reader("x", len(content), read)
        except Unreadable:
            continue
