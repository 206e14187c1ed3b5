#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds this tree a second time: in another folder, as another user, with another locale, time zone, umask and number
# of jobs, later. Both programs must be the same bytes.
set -eu
cd "$(dirname "$0")/.."
unset MAKEFLAGS MFLAGS MAKELEVEL
make -s
elsewhere=$(mktemp -d)
trap 'rm -rf "$elsewhere"' EXIT
place="$elsewhere/another place"
mkdir "$place"
git ls-files -zco --exclude-standard | grep -zv '^test/' | xargs -0 cp --parents -t "$place"
commit=$(cat build/gcc${WERROR:+-werror}/commit) # there is no git there to ask
as=""
[ "$(id -u)" != 0 ] || { chown -R 65534:65534 "$elsewhere" && as="setpriv --reuid=65534 --regid=65534 --clear-groups"; }
(cd "$place" && umask 077 && find . -exec touch -d '2001-02-03' {} + &&
    exec env -i PATH="$PATH" WERROR="${WERROR:-}" HOME=/nonexistent LC_ALL=C TZ=Pacific/Kiritimati TMPDIR="$elsewhere" \
        $as make -s -j3 COMMIT="$commit")
sha256sum inseq
(cd "$place" && sha256sum inseq)
cmp inseq "$place/inseq"
