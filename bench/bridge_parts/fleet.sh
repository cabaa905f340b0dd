# A thousand instances on one bridge: memory, connects, the price of following them, and the way back after kill -9.
# Sourced by bench/bridge.
# shellcheck shell=bash disable=SC2154
#
# kib_per_connection            growth of the bridge's resident memory from 10 connected, idle instances to all, per
#                               instance; everything that an instance needs is in it, not the socket alone
# connect_success_percent       WebSocket connects (with the probe that belongs to each) that succeeded, of all attempts:
#                               the first ones, and the reconnects after all sockets were reset ten times. A failed
#                               attempt raises reconnect_attempts, which a trigger of this private database counts
# connect_p50_ms                of the successful ones, by the bridge's log: TCP, HTTP upgrade, probe
# cpu_percent_of_core           of the bridge, while each instance runs a prompt and sends ten messages a second, and one
#                               subscriber gets the progress, as the bridge comes; idle_cpu_percent_of_core: before,
#                               connected and idle; unthrottled_cpu_percent_of_core: with --progress-interval 0, when every
#                               message is told
# frame_to_subscriber_p99_ms    from the frame that says that a node runs (comfysim's ledger) to the first progress with
#                               that node at a gRPC subscriber, with --progress-interval 0
# frame_floor_p99_ms            the same way to a client of bare sockets at four further instances of the same comfysim
#                               process, at the same time, with nothing in between
# path_to_subscriber_p99_ms     the same with the interval as the bridge comes (throttle_ms), without its hold: from the later
#                               of the frame and the end of the interval since that execution's last update
# recover_1000_s                from kill -9 of the bridge to the last of: an execution's first progress under its new
#                               epoch, and the first connect of each socket (one per instance, one more per execution,
#                               for the client id that it was submitted with), by the bridge's log
# recover_fresh_s               ... to the last execution whose progress has moved since, so its server was heard

rss_when_quiet() { sleep "$1" && rss_kib "${pid_of[bridge]}"; }
connects_logged() { grep -c '"comfyui_websocket_connected"' "$run_dir/log/bridge.log" || true; }
enough_connects() { (($(connects_logged) >= wanted_connects)); }

# cpu_over SECONDS: percent of a core that the bridge and comfysim used, "bridge comfysim".
cpu_over() {
  local bridge=${pid_of[bridge]} sim=${pid_of[comfysim-fleet]} a b begin
  a=$(cpu_ticks "$bridge") b=$(cpu_ticks "$sim") begin=$(now_us)
  sleep "$1"
  local us=$(($(now_us) - begin))
  printf '%s %s' "$(calculate %.1f "100000000 * ($(cpu_ticks "$bridge") - $a) / $hz / $us")" \
    "$(calculate %.1f "100000000 * ($(cpu_ticks "$sim") - $b) / $hz / $us")"
}

# Progress in $1 joined with the ledgers: "delay path_delay" in µs of each node's first frame. $2: throttle in µs.
frame_delays() {
  ledgers | jq -r 'select(.event == "node" and .execution_id) | "\(.execution_id) \(.node_id) \(.t_us)"' >"$run_dir/frames"
  jq -r '"\(.execution) \(.node) \(.t_us) \(.at_us)"' "$1" | awk -v throttle="$2" '
    NR == FNR { frame[$1 " " $2] = $3; next }
    {
      held = ($1 in last) ? last[$1] + throttle : 0
      last[$1] = $4
      key = $1 " " $2
      if (!(key in frame) || key in seen) next
      seen[key] = 1
      if (!($1 in begun)) { begun[$1] = 1; next }   # what the subscription began with is as old as it is
      from = frame[key] > held ? frame[key] : held
      print $3 - frame[key], $3 - from
    }' "$run_dir/frames" -
}

# The same of what bare sockets heard.
floor_delays() {
  ledgers | jq -r 'select(.event == "node" and (.execution_id | not)) | "\(.prompt_id) \(.node_id) \(.t_us)"' >"$run_dir/frames.floor"
  jq -r '"\(.prompt) \(.node) \(.t_us)"' "$1" | awk 'NR == FNR { frame[$1 " " $2] = $3; next } ($1 " " $2) in frame { print $3 - frame[$1 " " $2] }' \
    "$run_dir/frames.floor" -
}

listenings=0
# measure_running NAME SECONDS: with a prompt running on each instance. Sets cpu, sim and frames; the delays, with the hold
# of an interval of $3 µs and without, in the file delays.NAME.
measure_running() {
  await bridge "all connections" 180 at_least connected "$fleet_size"
  await bridge "running executions" 120 at_least running_executions "$fleet_size"
  sleep 3
  bench_client watch --bridge "$bridge_grpc" --seconds "$(($2 + 3))" >"$run_dir/progress" &
  local watcher=$! before
  ((++listenings))
  bench_client listen --ports-file "$run_dir/bare.ports" --salt "$((listenings * 1000000))" --seconds "$(($2 + 2))" >"$run_dir/heard.floor" &
  local listener=$!
  sleep 1
  before=$(ledgers | grep -c '"event":"node"' || true)
  read -r cpu sim <<<"$(cpu_over "$2")"
  frames=$(($(ledgers | grep -c '"event":"node"' || true) - before))
  wait "$watcher"
  wait "$listener"
  frame_delays "$run_dir/progress" "$3" >"$run_dir/delays.$1"
  floor_delays "$run_dir/heard.floor" >"$run_dir/floor.$1"
}

measure_fleet() {
  local few=10 rounds=10 window=20 few_kib many_kib idle cpu sim frames throttle_ms=1000
  begin_part "$fleet_size instances on one bridge"
  use_database fleet
  sql "CREATE TABLE bench_failed_connects (at timestamptz DEFAULT clock_timestamp(), instance_id bigint, attempts integer)"
  sql "CREATE FUNCTION bench_note() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN
         INSERT INTO bench_failed_connects (instance_id, attempts)
         VALUES (NEW.id, NEW.reconnect_attempts - OLD.reconnect_attempts); RETURN NEW; END \$\$"
  sql "CREATE TRIGGER bench_note AFTER UPDATE ON comfyui_instances FOR EACH ROW
       WHEN (NEW.reconnect_attempts > OLD.reconnect_attempts) EXECUTE FUNCTION bench_note()"
  start_fleet fleet "$((fleet_size + 4))" --step-ms 0
  tail -n 4 "$ports_file" >"$run_dir/bare.ports"
  sed -i "$((fleet_size + 1)),\$d" "$ports_file"
  start_bridge
  bench_client instances --bridge "$bridge_grpc" --ports-file "$ports_file" --at-most "$few"
  await bridge "$few connections" 60 at_least connected "$few"
  few_kib=$(rss_when_quiet 5)
  bench_client instances --bridge "$bridge_grpc" --ports-file "$ports_file" --skip "$few"
  await bridge "all connections" 180 at_least connected "$fleet_size"
  many_kib=$(rss_when_quiet 8)
  idle=$(cpu_over 10)

  say "$((rounds * fleet_size)) reconnects"
  local round wanted_connects=$fleet_size
  for ((round = 1; round <= rounds; ++round)); do
    wanted_connects=$(($(connects_logged) + fleet_size))
    bench_client faults --ports-file "$ports_file" --body '{"fault":"drop"}'
    await bridge "reconnects" 120 enough_connects
  done
  await bridge "all connections" 60 at_least connected "$fleet_size"
  local connects failed connect
  connects=$(connects_logged)
  failed=$(sql 'SELECT coalesce(sum(attempts), 0) FROM bench_failed_connects')
  connect=$(grep '"comfyui_websocket_connected"' "$run_dir/log/bridge.log" | jq -r .elapsed_ms | quantile 0.5)

  say "$fleet_size running prompts"
  bench_client load --bridge "$bridge_grpc" --database-url "$database_url" --kind chatty --nodes 110 --count "$fleet_size" \
    --leave --seconds 120 >/dev/null
  measure_running throttled "$window" "$((throttle_ms * 1000))"
  local throttled_cpu=$cpu throttled_sim=$sim throttled_frames=$frames path
  path=$(cut -d' ' -f2 "$run_dir/delays.throttled" | quantile 0.99)

  say "the same, every message told"
  stop_bridge fleet-throttled
  start_bridge --progress-interval 0
  measure_running unthrottled "$window" 0
  local plain floor
  floor=$(quantile 0.99 <"$run_dir/floor.unthrottled")
  plain=$(cut -d' ' -f1 "$run_dir/delays.unthrottled" | quantile 0.99)

  say "kill -9 with $fleet_size live executions"
  local live_before epoch_before killed
  live_before=$(running_executions)
  epoch_before=$(sql "SELECT max(owner_epoch) FROM comfyui_executions")
  bench_client watch --bridge "$bridge_grpc" --seconds 45 >"$run_dir/progress.recover" &
  watcher=$!
  sleep 2
  killed=$(now_us)
  builtin kill -KILL "${pid_of[bridge]}"
  wait "${pid_of[bridge]}" 2>/dev/null || true
  unset "pid_of[bridge]"
  start_bridge
  wait "$watcher"
  local lost sockets connected_us back fresh
  lost=$(sql "SELECT count(*) FROM comfyui_executions WHERE status NOT IN ('running', 'collecting', 'completed')")
  # "sockets time": how many there are, and when the last of them was connected for the first time.
  read -r sockets connected_us < <(jq -r 'select(.event == "starting" or .event == "comfyui_websocket_connected") |
      "\(.client_id // "-") \(((.ts[0:19] + "Z" | fromdate) * 1000 + (.ts[20:23] | tonumber)) * 1000)"' "$run_dir/log/bridge.log" | awk '
    $1 == "-" { delete seen; n = 0; next }
    !($1 in seen) { seen[$1] = 1; ++n; last = $2 }
    END { printf "%d %.0f\n", n, last }')
  # "followed since" per execution: its first progress after the kill with a higher epoch, and the first that differs.
  jq -r '"\(.execution) \(.epoch) \(.percent)/\(.node) \(.t_us)"' "$run_dir/progress.recover" | awk -v before="$epoch_before" '
    $2 <= before { next }
    !($1 in first) { first[$1] = $4; was[$1] = $3; next }
    !($1 in moved) && $3 != was[$1] { moved[$1] = $4 }
    END {
      for (e in first) { ++n; if (first[e] > last) last = first[e] }
      for (e in moved) { ++m; if (moved[e] > fresh) fresh = moved[e] }
      printf "%d %.0f %d %.0f\n", n, last, m, fresh
    }' >"$run_dir/recovered"
  local adopted followed_us moved moved_us
  read -r adopted followed_us moved moved_us <"$run_dir/recovered"
  back=null fresh=null
  if ((adopted >= live_before && sockets >= fleet_size + live_before)); then
    back=$(calculate %.2f "(($followed_us > $connected_us ? $followed_us : $connected_us) - $killed) / 1000000")
  fi
  if ((moved >= live_before)); then fresh=$(calculate %.2f "($moved_us - $killed) / 1000000"); fi
  stop_bridge fleet
  stop comfysim-fleet || true

  result instances "$fleet_size"
  result cpu_percent_of_core "$throttled_cpu"
  result unthrottled_cpu_percent_of_core "$cpu"
  result idle_cpu_percent_of_core "${idle% *}"
  result kib_per_connection "$(calculate %.1f "($many_kib - $few_kib) / ($fleet_size - $few)")"
  result throttle_ms "$throttle_ms"
  result frame_to_subscriber_p99_ms "$(calculate %.1f "$plain / 1000")"
  result frame_floor_p99_ms "$(calculate %.1f "$floor / 1000")"
  result path_to_subscriber_p99_ms "$(calculate %.1f "$path / 1000")"
  result connects "$connects"
  result connect_success_percent "$(percent_of "$connects" "$((connects + failed))")"
  result connect_p50_ms "$connect"
  result recover_1000_s "$back"
  result recover_fresh_s "$fresh"
  row "  CPU of the bridge, each instance running (at most 35)" "$throttled_cpu" "% of a core (comfysim $throttled_sim)"
  row "    frames that begin a node, per instance (0.5 is ten messages)" "$(calculate %.2f "$throttled_frames / $window / $fleet_size")" /s
  row "    with every message told" "$cpu" "% of a core (comfysim $sim)"
  row "    connected and idle" "${idle% *}" "% of a core"
  row "  memory per connected instance (at most 40 for the socket)" "${value_of[kib_per_connection]}" KiB
  row "  node's frame to subscriber, every message told, p99 of $(wc -l <"$run_dir/delays.unthrottled") (at most 20)" "${value_of[frame_to_subscriber_p99_ms]}" ms
  row "    to a bare socket at the same time, p99 of $(wc -l <"$run_dir/floor.unthrottled")" "${value_of[frame_floor_p99_ms]}" ms
  row "    one update in $throttle_ms ms, without that hold, p99 of $(wc -l <"$run_dir/delays.throttled")" "${value_of[path_to_subscriber_p99_ms]}" ms
  row "  connects that succeeded, of $((connects + failed)) (at least 99.9)" "${value_of[connect_success_percent]}" %
  row "    p50, with probe" "$connect" ms
  row "  kill -9 until all $live_before are followed and connected (at most 5)" "$back" s
  row "    until each was heard again ($adopted adopted, $sockets sockets, $moved heard, $lost lost)" "$fresh" s
}
