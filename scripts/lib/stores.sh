# A private PostgreSQL cluster and a private Redis, on loopback, under $run_dir. Uses processes.sh.
# shellcheck shell=bash disable=SC2034,SC2154  # its variables are set or used by the other parts
#
# After start_postgres: PGPASSFILE is exported, $database_url names the database, without its password. After
# start_redis: $redis_url_file holds the URL with the password.

pg_bin=/usr/lib/postgresql/15/bin

# PostgreSQL refuses to run as root; then it gets the user that its package made.
postgres_user() {
  ((EUID == 0)) || return 0
  getent passwd postgres >/dev/null && echo postgres || echo nobody
}

as_postgres() {
  local user
  user=$(postgres_user)
  if [[ -n $user ]]; then setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups -- "$@"; else "$@"; fi
}

# Where the cluster lives: in $run_dir, or, where the unprivileged user cannot reach that (a clone under /root), in
# /var/lib/renderyard with a link from there.
postgres_home() {
  local home=$run_dir/postgres user
  user=$(postgres_user)
  if [[ -L $home || -d $home ]]; then
    readlink -f "$home"
    return
  fi
  if [[ -n $user ]] && ! as_postgres test -x "$run_dir"; then
    local elsewhere
    elsewhere=/var/lib/renderyard/$(printf '%s' "$run_dir" | sha256sum | head -c 12)
    mkdir -p "$elsewhere"
    ln -s "$elsewhere" "$home"
    home=$elsewhere
  else
    mkdir -p "$home"
  fi
  chmod 700 "$home"
  [[ -z $user ]] || chown "$user:" "$home"
  printf '%s' "$home"
}

# A cluster of an earlier run that is still stopping, or that lost its script, is ours: it is asked to stop.
end_earlier_postgres() {
  local data=$1 pid deadline=$((SECONDS + 20))
  pid=$(head -n 1 "$data/postmaster.pid" 2>/dev/null || true)
  [[ $pid =~ ^[0-9]+$ && $(readlink "/proc/$pid/cwd" 2>/dev/null) == "$data" ]] || return 0
  kill -INT "$pid" 2>/dev/null || true
  while kill -0 "$pid" 2>/dev/null; do
    ((SECONDS < deadline)) || die "PostgreSQL of an earlier run does not stop (pid $pid)"
    sleep 0.05
  done
}

start_postgres() {
  local home data password port=
  home=$(postgres_home)
  data=$home/data
  if [[ ! -s $data/PG_VERSION || ! -s $run_dir/pgpass ]]; then
    say "creating a private PostgreSQL cluster in $home"
    rm -rf "$data"
    password=$(head -c 24 /dev/urandom | base64 | tr -d '/+=')
    (umask 077 && printf '%s\n' "$password" >"$home/password")
    [[ -z $(postgres_user) ]] || chown "$(postgres_user):" "$home/password"
    (cd / && as_postgres $pg_bin/initdb --pgdata="$data" --username=renderyard --pwfile="$home/password" \
      --auth=scram-sha-256 --encoding=UTF8 --no-locale >"$run_dir/log/initdb.log" 2>&1) ||
      die "initdb failed: $(tail -n 3 "$run_dir/log/initdb.log")"
    rm -f "$home/password"
    (umask 077 && printf '127.0.0.1:*:*:renderyard:%s\n' "$password" >"$run_dir/pgpass")
  fi
  end_earlier_postgres "$data"
  export PGPASSFILE=$run_dir/pgpass
  port=$(kept_port "$run_dir/postgres.port")
  start postgres --signal INT --user "$(postgres_user)" -- $pg_bin/postgres -D "$data" -c listen_addresses=127.0.0.1 \
    -c port="$port" -c unix_socket_directories= -c fsync=on -c synchronous_commit=on
  await postgres "answer" 60 $pg_bin/pg_isready -q -h 127.0.0.1 -p "$port"
  database_url=postgresql://renderyard@127.0.0.1:$port/renderyard
  local sql=(psql -X -q -A -t -w -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$port" -U renderyard -d postgres)
  if [[ $("${sql[@]}" -c "SELECT count(*) FROM pg_database WHERE datname = 'renderyard'") == 0 ]]; then
    "${sql[@]}" -c 'CREATE DATABASE renderyard'
  fi
}

start_redis() {
  local port password
  mkdir -p "$run_dir/redis"
  redis_url_file=$run_dir/redis.url
  port=$(kept_port "$run_dir/redis.port")
  password=$(head -c 24 /dev/urandom | base64 | tr -d '/+=')
  (umask 077 && printf 'redis://:%s@127.0.0.1:%s/0\n' "$password" "$port" >"$redis_url_file")
  # A cache: nothing of it is kept on disk.
  (umask 077 && printf '%s\n' "port $port" 'bind 127.0.0.1' "requirepass $password" 'save ""' 'appendonly no' \
    'maxmemory 64mb' 'maxmemory-policy allkeys-lru' "dir $run_dir/redis" >"$run_dir/redis/redis.conf")
  start redis -- redis-server "$run_dir/redis/redis.conf"
  await redis "answer" 30 redis_answers "$port"
}

# Asked without the password: being refused is an answer.
redis_answers() { redis-cli -h 127.0.0.1 -p "$1" ping 2>&1 | grep -qE 'PONG|NOAUTH'; }
