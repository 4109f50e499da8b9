#!/bin/sh
# QEMU with a vhost-user card in the background: start (default), stop, status, restart.
verb=${1:-start}
[ $# -eq 0 ] || shift
exec node "$(dirname "$0")/bin/vhost-user.js" qemu "$verb" "$@"
