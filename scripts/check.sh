#!/usr/bin/env bash
# Everything `make check` checks. Runs all of it and fails at the end, so that one run shows all.
set -uo pipefail
cd "$(dirname "$0")/.."
bin=.venv/bin
data="$(mktemp -d)"
trap 'rm -rf "$data"' EXIT
failed=()

run() {
    local name="$1"
    shift
    local started=$SECONDS
    if "$@" >"$data/output" 2>&1; then
        echo "ok      $name ($((SECONDS - started)) s)"
    else
        echo "FAILED  $name"
        sed 's/^/        /' "$data/output"
        failed+=("$name")
    fi
}

manage() { # settings as of a studio behind a name: the deploy checks look at those
    SLIPWAY_DATA_DIR="$data/studio" SLIPWAY_PUBLIC_URL=https://studio.example.org \
        $bin/python manage.py "$@"
}

run "ruff check" $bin/ruff check .
run "ruff format" $bin/ruff format --check .
run "mypy" $bin/mypy
run "lint-imports" $bin/lint-imports
run "djlint" $bin/djlint --lint --quiet templates
run "manage.py check --deploy" manage check --deploy --fail-level WARNING
run "makemigrations --check" manage makemigrations --check --dry-run

if [ "${#failed[@]}" -gt 0 ]; then
    echo "${#failed[@]} of the checks failed: ${failed[*]}" >&2
    exit 1
fi
