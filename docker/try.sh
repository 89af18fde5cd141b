#!/usr/bin/env bash
# Sends two messages through the containers of docker/compose.yaml and shows what came out of each: one from where
# its domain says, one that only claims to be.
#
#   docker/try.sh                  Postern as an after-queue filter
#   docker/try.sh before-queue     as a before-queue filter
#
# The containers run on, to be looked at (http://127.0.0.1:8025/?token=..., which is in docker/secrets/http-token); docker/try.sh down removes them and their mail.
set -euo pipefail
cd "$(dirname "$0")"

files=(--file compose.yaml --file compose.try.yaml)
compose() { docker compose "${files[@]}" "$@"; }
say() { printf '\n== %s\n' "$*"; }

case ${1:-after-queue} in
  after-queue) ;;
  before-queue) files+=(--file compose.before-queue.yaml) ;;
  down)
    compose down --volumes
    exit
    ;;
  *)
    echo 'docker/try.sh [after-queue | before-queue | down]' >&2
    exit 64
    ;;
esac

# try SUBJECT ADDRESS NAME: a message of alice@sender.example, handed over by that client, and what became of it.
try() {
  local subject=$1 address=$2 name=$3 stored
  say "$subject: from $address ($name)"
  if ! compose exec -T postern postern send --server postfix:25 --from alice@sender.example --to bob@example.com \
    --xforward-addr "$address" --xforward-name "$name" --xforward-helo "$name" --subject "$subject"; then
    echo '-- refused; nothing was delivered'
    return
  fi
  for ((attempt = 0; attempt < 50; attempt++)); do
    stored=$(compose exec -T postfix grep -lrFx "Subject: $subject" /var/mail/inbox/new || true)
    if [[ -n $stored ]]; then
      echo '-- delivered:'
      compose exec -T postfix cat "${stored%%$'\n'*}"
      return
    fi
    sleep 0.2
  done
  echo '-- not delivered within 10 seconds; the log of Postfix says why:'
  compose logs --tail 20 postfix
  return 1
}

if [[ ! -s secrets/http-token ]]; then
  mkdir -p secrets
  # The users of two containers read it.
  (umask 022; head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >secrets/http-token)
fi
compose up --build --wait
id=$(date +%H%M%S)
try "honest $id" 192.0.2.10 client.sender.example
try "forged $id" 203.0.113.66 pool-66.isp.example
