# Starting, awaiting and stopping the processes of one run: only those that were started here, each by its pid.
# shellcheck shell=bash disable=SC2034,SC2154  # its variables are set or used by the other parts
#
# Every process gets a session of its own (Ctrl-C reaches the script alone, which then stops them in order) and a signal
# when the script dies. Its output goes to $run_dir/log/NAME.log. lock_run_dir comes first.

declare -A pid_of=() stop_signal_of=()
started=()  # names in the order of start

# One run at a time in $run_dir.
lock_run_dir() {
  mkdir -p "$run_dir/log"
  exec {lock_fd}>"$run_dir/lock"
  flock --nonblock "$lock_fd" || die "another run uses $run_dir"
}

# start NAME [--signal S] [--user USER] [--in FILE] -- COMMAND…: S is how it is asked to stop (TERM).
start() {
  local name=$1 signal=TERM input=/dev/null user=()
  shift
  while [[ $1 != -- ]]; do
    case $1 in
      --signal) signal=$2 ;;
      --user) [[ -z $2 ]] || user=(--reuid="$2" --regid="$2" --init-groups) ;;
      --in) input=$2 ;;
    esac
    shift 2
  done
  shift
  setsid setpriv "${user[@]}" --pdeathsig "$signal" -- "$@" <"$input" >>"$run_dir/log/$name.log" 2>&1 {lock_fd}>&- &
  pid_of[$name]=$!
  stop_signal_of[$name]=$signal
  started+=("$name")
}

running() { [[ -n ${pid_of[$1]:-} ]] && kill -0 "${pid_of[$1]}" 2>/dev/null; }

# await NAME WHAT SECONDS COMMAND…: until the command succeeds; fails when the process ends or the time is over.
await() {
  local name=$1 what=$2 deadline=$((SECONDS + $3))
  shift 3
  until "$@" >/dev/null 2>&1; do
    if ! running "$name"; then
      tail -n 15 "$run_dir/log/$name.log" >&2
      die "$name ended before $what (log: $run_dir/log/$name.log)"
    fi
    if ((SECONDS >= deadline)); then
      tail -n 15 "$run_dir/log/$name.log" >&2
      die "$name: no $what in time (log: $run_dir/log/$name.log)"
    fi
    sleep 0.05
  done
}

# stop NAME [SECONDS]: asks, waits, and kills what does not go; returns 1 when it had to kill.
stop() {
  local name=$1 deadline=$((SECONDS + ${2:-25})) pid=${pid_of[$1]:-} forced=0
  [[ -n $pid ]] || return 0
  unset "pid_of[$name]"
  kill -s "${stop_signal_of[$name]}" "$pid" 2>/dev/null || true
  while kill -0 "$pid" 2>/dev/null; do
    if ((SECONDS >= deadline)); then
      printf '%s\n' "$name does not stop; killing it" >&2
      kill -KILL "$pid" 2>/dev/null || true
      forced=1
      break
    fi
    sleep 0.02
  done
  wait "$pid" 2>/dev/null || true
  return $forced
}

# The reverse of the start.
stop_all() {
  local i
  for ((i = ${#started[@]} - 1; i >= 0; --i)); do stop "${started[i]}" || true; done
  started=()
}

# A port on loopback where nobody listens, now.
free_port() {
  local port
  for _ in {1..50}; do
    port=$((20000 + RANDOM % 12000))
    if ! (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      printf '%s' "$port"
      return
    fi
  done
  die "found no free port on 127.0.0.1"
}

# The remembered port in FILE when it is still free, else another, remembered there.
kept_port() {
  local port
  port=$(cat "$1" 2>/dev/null || true)
  if [[ ! $port =~ ^[0-9]+$ ]] || (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then port=$(free_port); fi
  printf '%s\n' "$port" >"$1"
  printf '%s' "$port"
}
