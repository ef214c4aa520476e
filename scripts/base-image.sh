#!/usr/bin/env bash
# Makes the base image that tests and `deploy/` build on, from Debian packages alone: for machines
# that reach Debian's archive but no image registry. Skips when the image exists (--force: anew).
set -euo pipefail

tag="${SLIPWAY_TEST_BASE_IMAGE:-slipway-base:bookworm}"

if [ "${1:-}" != "--force" ] && docker image inspect "$tag" >/dev/null 2>&1; then
    echo "Base image $tag exists."
    exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "scripts/base-image.sh needs root for debootstrap." >&2
    exit 1
fi
command -v debootstrap >/dev/null || { echo "debootstrap is missing: apt-get install debootstrap" >&2; exit 1; }

folder="$(mktemp -d /var/tmp/slipway-base.XXXXXX)"
trap 'rm -rf "$folder"' EXIT
echo "Making $tag with debootstrap (about a minute) …"
if ! debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates \
    bookworm "$folder/root" >"$folder/debootstrap.log" 2>&1; then
    tail -n 30 "$folder/debootstrap.log" >&2
    exit 1
fi
# the certificates this machine trusts, so that pip inside a build reaches what pip here reaches
rm -rf "$folder/root/etc/ssl/certs"
cp -a /etc/ssl/certs "$folder/root/etc/ssl/certs"
if [ -d /usr/local/share/ca-certificates ]; then
    cp -a /usr/local/share/ca-certificates/. "$folder/root/usr/local/share/ca-certificates/"
fi
cp -aL /etc/ssl/certs/ca-certificates.crt "$folder/root/etc/ssl/certs/ca-certificates.crt"
rm -rf "$folder"/root/var/cache/apt/archives/*.deb "$folder"/root/var/lib/apt/lists/*
ln -sf python3 "$folder/root/usr/bin/python"
bundle=/etc/ssl/certs/ca-certificates.crt
tar -C "$folder/root" --numeric-owner -c . | docker import \
    --change "ENV SSL_CERT_FILE=$bundle PIP_CERT=$bundle REQUESTS_CA_BUNDLE=$bundle LANG=C.UTF-8" \
    --change 'CMD ["python3"]' \
    --message "Debian bookworm with Python, made by scripts/base-image.sh" - "$tag" >/dev/null
echo "Made $tag."
