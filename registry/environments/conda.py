"""Conda packages as pip requirements, as far as that is honest.

Slipway installs wheels of a Python package index. What conda calls differently is in a table here;
what belongs to the interpreter is left out; what only conda has is said to be missing. Every other
name is tried as it is: PyPI mostly has it, and the lock says so when it has not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.utils.translation import gettext as _
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# conda's name -> the name on PyPI
RENAMED = {
    "beautifulsoup": "beautifulsoup4",
    "brotli-python": "brotli",
    "brotlipy": "brotli",
    "dask-core": "dask",
    "faiss": "faiss-cpu",
    "matplotlib-base": "matplotlib",
    "msgpack-python": "msgpack",
    "opencv": "opencv-python-headless",
    "psycopg2": "psycopg2-binary",
    "py-lightgbm": "lightgbm",
    "py-opencv": "opencv-python-headless",
    "py-xgboost": "xgboost",
    "py-xgboost-cpu": "xgboost-cpu",
    "_py-xgboost-mutex": "",
    "pyqt": "pyqt5",
    "pytables": "tables",
    "python-graphviz": "graphviz",
    "python-flatbuffers": "flatbuffers",
    "python-kubernetes": "kubernetes",
    "python-xxhash": "xxhash",
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "pytorch-gpu": "torch",
    "ruamel_yaml": "ruamel.yaml",
    "snappy-python": "python-snappy",
    "tensorflow-base": "tensorflow",
    "tensorflow-gpu": "tensorflow",
    "torchvision-cpu": "torchvision",
}
# parts of the interpreter, of conda itself, or of the wheels that need them
LEFT_OUT = _words(
    """
    _libgcc_mutex _openmp_mutex blas bzip2 c-ares ca-certificates conda expat fftw freetype hdf5
    icu intel-openmp jpeg krb5 lcms2 ld_impl_linux-64 ld_impl_linux-aarch64 lerc libblas libcblas
    libdeflate libedit libev libexpat libffi libgcc libgcc-ng libgfortran libgfortran-ng
    libgfortran5 libgomp libjpeg-turbo liblapack liblzma libnghttp2 libnsl libopenblas libopencv
    libpng libpq libprotobuf libsqlite libssh2 libstdcxx libstdcxx-ng libtiff libuuid libuv libwebp
    libwebp-base libxcrypt libxgboost libxml2 libxslt libzlib llvm-openmp lz4-c mkl mkl-service
    mkl_fft mkl_random ncurses nomkl numpy-base openblas openjpeg openssl pip python_abi
    pytorch-cuda pytorch-mutex readline sqlite tk tzdata wheel xz yaml zlib zstd
    """
)
# on no Python package index, or there only as something else
ONLY_CONDA = _words(
    """
    c-compiler compilers cuda cuda-cudart cuda-libraries cuda-nvrtc cuda-runtime cuda-toolkit
    cuda-version cudatoolkit cudnn cxx-compiler ffmpeg fortran-compiler gcc gcc_linux-64 gdal git
    glib go graphviz gsl gxx gxx_linux-64 java-jdk julia libboost libgdal make maven mpi mpich mysql
    nccl nodejs openjdk openmpi pandoc perl postgresql r-base r-essentials rust spark tesseract
    unixodbc
    """
)
_SPEC = re.compile(
    r"(?:(?P<channel>[\w.\-/:+]+)::)?(?P<name>[A-Za-z0-9_][A-Za-z0-9_.\-]*)"
    r"\s*(?P<version>[^\[\]]*)(?P<bracket>\[.*\])?",
    re.ASCII,
)


@dataclass(frozen=True)
class CondaPackage:
    """A conda package that was given, and what became of it.

    Attributes:
        became: a pip requirement; "" when none.
        missing: whether it must come from elsewhere: a base image or Docker steps.
        note: one sentence for people.
    """

    given: str
    became: str = ""
    missing: bool = False
    note: str = ""


@dataclass(frozen=True)
class Found:
    """One of: a package, a version of Python (as pip writes it), or a sentence why neither."""

    package: CondaPackage = CondaPackage("")
    python: str = ""
    problem: str = ""


def conda_package(given: str) -> Found:
    """What an entry such as "conda-forge::numpy=1.19.2=py38h_0" asks for."""
    shown = {"given": given[:120]}
    match = _SPEC.fullmatch(given.strip()) if given.isprintable() and len(given) <= 500 else None
    if match is None:
        return Found(problem=_("“%(given)s” is no conda package such as “numpy=2.1”.") % shown)
    name = match["name"].lower()
    any_python = name == "python" and not match["version"].strip("=* ") and not match["bracket"]
    if name in LEFT_OUT or any_python:
        note = _("Not needed: it comes with the interpreter or with the wheels.")
        return Found(CondaPackage(given, note=note))
    if name in ONLY_CONDA or name.startswith("r-"):
        return Found(CondaPackage(given, missing=True, note=missing_note(name)))
    version = None if match["bracket"] else pip_version(match["version"])
    if version is None:
        text = _("The version in “%(given)s” has no form that pip knows; write it as pip does.")
        return Found(problem=text % shown)
    if name == "python":
        return Found(python=version)
    renamed = RENAMED.get(name, name)
    if not renamed:
        return Found(CondaPackage(given, note=_("Not needed: it holds no package.")))
    note = ""
    if renamed != name:
        note = _("Its name on PyPI is %(name)s.") % {"name": renamed}
    try:
        Requirement(f"{renamed}{version}")
    except InvalidRequirement:
        text = _("“%(given)s” is no name that a Python package index can have.")
        return Found(problem=text % shown)
    return Found(CondaPackage(given, became=f"{renamed}{version}", note=note))


def missing_note(name: str) -> str:
    """What to do about a package that only conda has."""
    text = _(
        "%(name)s is in no Python package index. Take a base image that has it, or install it by "
        "Docker steps (such as RUN apt-get); or name the pip package that does the same."
    )
    return text % {"name": name}


def pip_version(text: str) -> str | None:
    """Conda's version part as pip writes it, "==1.19.*" for "=1.19"; None where pip has no form."""
    text = text.strip()
    if not text or text in {"*", "=*"}:
        return ""
    if "|" in text:
        return None
    if not re.search(r"[<>!~]", text):
        version = _exact(text)
    else:
        # ">=1.2.*" means ">=1.2" to conda
        parts = [part.strip() for part in text.split(",") if part.strip()]
        version = ",".join(_bound(part) for part in parts)
    try:
        SpecifierSet(version)
    except InvalidSpecifier:
        return None
    return version


def _exact(text: str) -> str:
    """ "=1.19", "==1.19.2=build", "1.19.2 build", "1.19*": no comparison in it."""
    single = text.startswith("=") and not text.startswith("==")
    parts = [part for part in re.split(r"[=\s]+", text) if part]
    if not parts:
        return "?"  # no version: refused by who asked
    version, has_build = parts[0], len(parts) > 1
    if version.endswith("*"):
        return f"=={version.rstrip('*').rstrip('.')}.*"
    return f"=={version}.*" if single and not has_build else f"=={version}"


def _bound(part: str) -> str:
    if re.match(r"[<>]", part):
        return re.sub(r"\.?\*$", "", re.sub(r"\s+", "", part))
    if re.match(r"(==|!=|~=)", part):
        return re.sub(r"\s+", "", part)
    return _exact(part)
