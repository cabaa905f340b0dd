# Messages of the scripts. Sourced by them, not run.
# shellcheck shell=bash

say() { printf '%s\n' "== $*"; }

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}
