#!/usr/bin/env bash
# Builds the images with buildah, without a container engine, and tries them, the compose files, docker/try.sh and the
# systemd unit: docker/check/ says what is tried.
#
#   docker/check-image.sh            makes a base image of its own: Debian by debootstrap, Node.js from node_modules
#   docker/check-image.sh --pull     builds on the base images that the Dockerfiles name; asks their registry
#
# Needs root, npm ci, and Debian's packages buildah, docker-compose (which only reads), iproute2 and
# systemd-container, without --pull also debootstrap. All of it is in a
# temporary directory, and in a network of its own that has nothing but loopback; at the end nothing is left.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n== %s\n' "$*"; }

needed=(buildah docker-compose ip systemd-nspawn unshare)
[[ ${1:-} == --pull ]] || needed+=(debootstrap)
for tool in "${needed[@]}"; do
  if ! command -v "$tool" >/dev/null; then
    echo "$tool is needed: apt-get install buildah debootstrap docker-compose iproute2 systemd-container" >&2
    exit 69
  fi
done
if ((EUID != 0)); then
  echo 'Only root can do this.' >&2
  exit 77
fi

# Not on a tmpfs: the images take about 2 GB for a few minutes.
work=$(mktemp --directory --tmpdir="${TMPDIR:-/var/tmp}" postern-image-XXXXXX)
export BUILDAH_ISOLATION=chroot
buildah() { command buildah --root "$work/storage" --runroot "$work/run" "$@"; }
cleanup() {
  # When one build fails, the others are still at work there.
  wait
  buildah umount --all >/dev/null 2>&1 || true
  rm -rf --one-file-system "$work"
}
trap cleanup EXIT

node=$(node -p "require('node:fs').realpathSync('node_modules/node/bin/node')")
node_base=()
debian_base=()
if [[ ${1:-} != --pull ]]; then
  say 'a base image'
  debootstrap --variant=minbase --include=ca-certificates bookworm "$work/debian" >"$work/debootstrap.log" ||
    { tail -n 20 "$work/debootstrap.log" >&2; exit 1; }
  rm -rf "$work"/debian/var/cache/apt/archives/*.deb
  # A machine may trust more than Debian does, and need it to reach its registry of packages.
  cp /etc/ssl/certs/ca-certificates.crt "$work/debian/etc/ssl/certs/ca-certificates.crt"
  container=$(buildah from scratch)
  buildah copy --quiet "$container" "$work/debian" / >/dev/null
  buildah config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
  buildah commit --quiet "$container" localhost/debian:bookworm-slim >/dev/null
  # As the official image has it: node and npm in /usr/local.
  npm_directory=$(dirname "$(dirname "$(realpath "$(command -v npm)")")")
  buildah copy --quiet "$container" "$node" /usr/local/bin/node >/dev/null
  buildah copy --quiet "$container" "$npm_directory" /usr/local/lib/node_modules/npm >/dev/null
  printf 'cafile=/etc/ssl/certs/ca-certificates.crt\n' >"$work/npmrc"
  buildah copy --quiet "$container" "$work/npmrc" /usr/local/etc/npmrc >/dev/null
  buildah run "$container" ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
  buildah commit --quiet --rm "$container" localhost/node:24-slim >/dev/null
  rm -rf "$work/debian"
  node_base=(--build-arg BASE=localhost/node:24-slim)
  debian_base=(--build-arg BASE=localhost/debian:bookworm-slim)
fi

# build NAME DIRECTORY [PARAMETER...]: an image, its file system and its configuration in $work/NAME.
build() {
  local name=$1 directory=$2
  shift 2
  buildah bud --format docker "$@" --tag "localhost/$name" "$directory" >"$work/$name.log" 2>&1 ||
    { tail -n 40 "$work/$name.log" >&2; exit 1; }
  local container
  container=$(buildah from "localhost/$name")
  buildah inspect --type image "localhost/$name" >"$work/$name.json"
  buildah mount "$container" >"$work/$name.root"
  say "the image $name: $(du -sh "$(cat "$work/$name.root")" | cut -f 1)"
}
say 'the images'
builds=()
# Side by side: most of it is waiting for registries of packages.
build postern . "${node_base[@]}" &
builds+=($!)
build postfix docker/postfix "${debian_base[@]}" &
builds+=($!)
build unbound docker/unbound "${debian_base[@]}" &
builds+=($!)
for each in "${builds[@]}"; do wait "$each"; done
build systemd docker/check/systemd "${debian_base[@]}"

# apart COMMAND...: in a network and among processes of its own.
apart() {
  unshare --net --mount --pid --fork --kill-child --mount-proc --propagation private sh -c 'ip link set lo up; exec "$@"' sh "$@"
}
tests=(docker/check/*.test.ts)
# Containers within containers may be more than the machine's owner allows; the unit is tried wherever it can be.
if ! apart sh -c 'mount -t tmpfs tmpfs /run && exec systemd-nspawn "$@"' sh --quiet --pipe --directory="$(cat "$work/systemd.root")" \
  --private-network --register=no --keep-unit --link-journal=no --resolv-conf=off --timezone=off true </dev/null; then
  say 'systemd-nspawn cannot run here: the systemd unit is not tried'
  tests=()
  for each in docker/check/*.test.ts; do [[ $each == */systemd.test.ts ]] || tests+=("$each"); done
fi

say 'trial'
# One after the other: they share the file systems of the images.
POSTERN_IMAGES=$work apart "$node" --test --test-concurrency=1 --test-timeout=120000 "${tests[@]}"
