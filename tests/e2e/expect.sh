# What the end-to-end tests share: a folder of their own, checks that count, the system in the background.
# shellcheck shell=bash disable=SC2034,SC2154  # its variables are set or used by the tests
#
# CTest gives RENDERYARD_TEST_SOURCE_DIR and RENDERYARD_TEST_BINARY_DIR.

: "${RENDERYARD_TEST_SOURCE_DIR:?}" "${RENDERYARD_TEST_BINARY_DIR:?}"
source_dir=$RENDERYARD_TEST_SOURCE_DIR
bin=$RENDERYARD_TEST_BINARY_DIR/bin
unset RENDERYARD_TEST_SOURCE_DIR RENDERYARD_TEST_BINARY_DIR
work=$(mktemp -d)
chmod 755 "$work"  # PostgreSQL's user passes through
run_dir=$work/local
failures=0 checks=0
run_pid=

# expect WHAT COMMAND…: the command succeeds.
expect() {
  local what=$1
  shift
  checks=$((checks + 1))
  "$@" && return
  printf 'FAILED: %s\n' "$what" >&2
  failures=$((failures + 1))
}

# equal WHAT EXPECTED ACTUAL
equal() { expect "$1: expected '$2', got '$3'" test "$2" = "$3"; }

run_system() { RENDERYARD_RUN_DIR=$run_dir RENDERYARD_BIN_DIR=$bin "$source_dir/scripts/run" "$@"; }

# Starts scripts/run in the background and waits until it serves.
serve() {
  # exec: the pid is the script's own.
  (export RENDERYARD_RUN_DIR="$run_dir" RENDERYARD_BIN_DIR="$bin" && exec "$source_dir/scripts/run" "$@") >"$work/run.out" 2>&1 &
  run_pid=$!
  local deadline=$((SECONDS + 120))
  until grep -q 'runs until Ctrl-C' "$work/run.out"; do
    if ! kill -0 "$run_pid" 2>/dev/null || ((SECONDS >= deadline)); then
      cat "$work/run.out" >&2
      printf 'FAILED: the system did not come up\n' >&2
      exit 1
    fi
    sleep 0.1
  done
  gateway_url=$(jq -r .gateway_url "$run_dir/run.json")
  token=$(cat "$run_dir/admin-token")
}

# Asks the background run to stop; sets $stopped to its exit code.
stop_serving() {
  kill -TERM "$run_pid"
  stopped=0
  wait "$run_pid" || stopped=$?
  run_pid=
}

# sql STATEMENT: on the run's database.
sql() {
  PGPASSFILE=$run_dir/pgpass psql -X -q -A -t -w -v ON_ERROR_STOP=1 -U renderyard -d renderyard -h 127.0.0.1 \
    -p "$(cat "$run_dir/postgres.port")" -c "$1"
}

clean_up() {
  if [[ -n $run_pid ]]; then
    kill -TERM "$run_pid" 2>/dev/null
    wait "$run_pid"
  fi
  if ((failures)); then
    for log in "$run_dir"/log/*.log; do
      printf -- '--- %s\n' "${log##*/}"
      tail -n 30 "$log"
    done >&2
  fi
  [[ -n ${keep:-} ]] || rm -rf "$work"
}
trap clean_up EXIT

finish() {
  printf '%d checks, %d failures\n' "$checks" "$failures"
  ((failures == 0 && checks > 0))
  exit
}
