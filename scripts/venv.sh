#!/usr/bin/env bash
# Makes .venv and installs requirements/<base|dev>.lock into it, when the lock file changed.
set -euo pipefail
cd "$(dirname "$0")/.."

set_name="${1:-base}"
lock="requirements/$set_name.lock"
stamp=".venv/.installed-$set_name"

fail() { echo "$1" >&2; exit 1; }

find_python() {
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    fail "Slipway needs Python 3.11 or newer and found none: install it, or name one with PYTHON=/path/to/python3."
}

if [ ! -x .venv/bin/python ] || ! .venv/bin/python -c '' 2>/dev/null; then
    python="$(find_python)"
    "$python" -c 'import venv, ensurepip' 2>/dev/null ||
        fail "This Python cannot make virtual environments: install python3-venv (Debian: apt-get install python3-venv)."
    echo "Making .venv with $("$python" --version) …"
    rm -rf .venv
    "$python" -m venv .venv
elif ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    fail "The folder .venv holds a Python older than 3.11: remove it (rm -r .venv) and try again."
fi

wanted="$(.venv/bin/python -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())' "$lock")"
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && exit 0

uv_wanted="$(sed -n 's/^uv==\([0-9.]*\).*/\1/p' requirements/base.lock)"
if [ "$(.venv/bin/uv --version 2>/dev/null | cut -d' ' -f2)" != "$uv_wanted" ]; then
    echo "Installing uv $uv_wanted …"
    only_uv="$(mktemp)"
    trap 'rm -f "$only_uv"' EXIT
    sed -n '/^uv==/,/[^\\]$/p' requirements/base.lock >"$only_uv"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check \
        --require-hashes --no-deps --requirement "$only_uv"
fi
echo "Installing the $(grep -c '==' "$lock") packages of $lock …"
.venv/bin/uv pip install --python .venv/bin/python --require-hashes --requirement "$lock"
echo "$wanted" >"$stamp"
