# The whole system of one run: stores, comfysim, bridge, dispatcher, gateway. Uses processes.sh and stores.sh.
# shellcheck shell=bash disable=SC2034,SC2154  # its variables are set or used by the other parts
#
# Reads $bin (folder of the programs), $run_dir, $log_level. Sets $gateway_url, $bridge_grpc, $dispatcher_grpc.

# start_comfysim N…: fills url_of. The port stays the same over runs while it is free; the instance's name has it, because
# an instance with another URL is another instance.
declare -A url_of=()
start_comfysim() {
  local n port
  for n in "$@"; do
    mkdir -p "$run_dir/comfysim-$n"
    port=$(kept_port "$run_dir/comfysim-$n.port")
    start "comfysim-$n" -- "$bin/comfysim" --listen "127.0.0.1:$port" --dir "$run_dir/comfysim-$n" \
      --name "comfysim-$n" "${comfysim_options[@]}"
    url_of[comfysim-$port]=http://127.0.0.1:$port
  done
  for n in "$@"; do
    await "comfysim-$n" "answer" 30 curl -sf -m 2 "http://127.0.0.1:$(cat "$run_dir/comfysim-$n.port")/system_stats"
  done
}
comfysim_options=()

# The stores, the schema, the administrator.
start_stores() {
  start_postgres
  start_redis
  local admin=(--create-admin admin --token-file "$run_dir/admin-token")
  "$bin/renderyard-migrate" --database-url "$database_url" "${admin[@]}" >>"$run_dir/log/migrate.log" 2>&1 ||
    die "the migration failed: $(tail -n 5 "$run_dir/log/migrate.log")"
  [[ $(stat -c %a "$run_dir/admin-token") == 600 ]] || die "$run_dir/admin-token must be readable by its owner only"
}

# address_of NAME FIELD: from the port file that a service writes when it is up.
address_of() { jq -er --arg field "$2" '.[$field]' "$run_dir/$1.ports"; }
ready() { curl -sf -m 2 "http://$(address_of "$1" admin)/readyz"; }

# start_service NAME OPTION…
start_service() {
  local name=$1
  shift
  rm -f "$run_dir/$name.ports"
  start "$name" -- "$bin/renderyard-$name" --admin-listen 127.0.0.1:0 --port-file "$run_dir/$name.ports" \
    --log-level "$log_level" --database-url "$database_url" "$@"
}

start_services() {
  mkdir -p "$run_dir/artifacts" "$run_dir/locks"
  start_service bridge --redis-url-file "$redis_url_file" --grpc-listen 127.0.0.1:0 --bridge-id local \
    --artifacts-dir "$run_dir/artifacts" --lock-dir "$run_dir/locks"
  await bridge "ready" 60 ready bridge
  bridge_grpc=$(address_of bridge grpc)
  start_service dispatcher --grpc-listen 127.0.0.1:0 --dispatcher-id local
  await dispatcher "ready" 60 ready dispatcher
  dispatcher_grpc=$(address_of dispatcher grpc)
  start_service gateway --http-listen "127.0.0.1:$(kept_port "$run_dir/gateway.port")" \
    --dispatcher-addresses "$dispatcher_grpc" --artifacts-dir "$run_dir/artifacts"
  await gateway "ready" 60 ready gateway
  gateway_url=http://$(address_of gateway http)
}

renderyard() {
  RENDERYARD_GATEWAY=$gateway_url RENDERYARD_TOKEN_FILE=$run_dir/admin-token RENDERYARD_BRIDGE=$bridge_grpc \
    RENDERYARD_DISPATCHER=$dispatcher_grpc "$bin/renderyard" "$@"
}

# Registers what is in url_of, and disables every other instance (of an earlier run). The list's columns are name, status,
# enabled, draining or disabled, slots, URL.
register_instances() {
  local name listed
  listed=$(renderyard instance list) || die "cannot list the instances"
  while read -r name; do
    [[ -n $name && -z ${url_of[$name]:-} ]] || continue
    say "disabling $name, which is not in this run"
    renderyard instance disable "$name" >/dev/null || die "cannot disable $name"
  done < <(awk '$3 == "enabled" { print $1 }' <<<"$listed")
  for name in "${!url_of[@]}"; do
    awk -v name="$name" '$1 == name && $3 == "draining" { found = 1 } END { exit !found }' <<<"$listed" &&
      { renderyard instance undrain "$name" >/dev/null || die "cannot undrain $name"; }
    awk -v name="$name" '$1 == name && $3 != "disabled" { found = 1 } END { exit !found }' <<<"$listed" ||
      renderyard instance add "$name" "${url_of[$name]}" >/dev/null || die "cannot register $name"
  done
}

all_connected() {
  local name listed
  listed=$(renderyard instance list) || return 1
  for name in "${!url_of[@]}"; do
    awk -v name="$name" '$1 == name && ($2 == "connected" || $2 == "polling") { found = 1 } END { exit !found }' \
      <<<"$listed" || return 1
  done
}

# {gateway_url, bridge_grpc, dispatcher_grpc, instances, pids}, for other programs.
write_run_json() {
  local name instances=[] pids={}
  for name in "${!url_of[@]}"; do
    instances=$(jq -c --arg name "$name" --arg url "${url_of[$name]}" '. + [{name: $name, url: $url}]' <<<"$instances")
  done
  for name in "${!pid_of[@]}"; do
    pids=$(jq -c --arg name "$name" --argjson pid "${pid_of[$name]}" '. + {($name): $pid}' <<<"$pids")
  done
  jq -n --arg gateway_url "$gateway_url" --arg bridge_grpc "$bridge_grpc" --arg dispatcher_grpc "$dispatcher_grpc" \
    --argjson instances "$instances" --argjson pids "$pids" \
    '{$gateway_url, $bridge_grpc, $dispatcher_grpc, instances: ($instances | sort_by(.name)), $pids}' \
    >"$run_dir/run.json.new"
  mv "$run_dir/run.json.new" "$run_dir/run.json"
}
