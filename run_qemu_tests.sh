#!/bin/sh
# The QEMU tests, or the group that the first word names: basic, qemu, perf, stress, all.
group=${1:-qemu}
[ $# -eq 0 ] || shift
exec node "$(dirname "$0")/bin/vhost-user.js" test "$group" "$@"
