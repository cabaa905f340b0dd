# A job that is silent for long, beside the other parts, with a bridge and a server of its own. Sourced by bench/bridge.
# shellcheck shell=bash disable=SC2154
#
# polls_per_hour      looks of the bridge at the server (requests within a second of each other are one look) once its
#                     watchdog has come to its longest pause: 3600 s over the last pause between two looks that was seen,
#                     which is an extrapolation from some minutes to an hour
# requests_per_hour   the same in requests

begin_polls() {
  local keep=$database_url
  use_database silent
  silent_database=$database_url database_url=$keep
  start_fleet silent 1
  silent_ledger=$fleet_dir/ledger.jsonl  # one server: no folder of its own
  bench_client faults --ports-file "$ports_file" --body '{"fault":"answer_late","delay_ms":0}'
  rm -f "$run_dir/silent.ports"
  start silent -- "$bin/renderyard-bridge" --admin-listen 127.0.0.1:0 --port-file "$run_dir/silent.ports" --log-level info \
    --database-url "$silent_database" --redis-url-file "$redis_url_file" --grpc-listen 127.0.0.1:0 --bridge-id silent \
    --artifacts-dir "$run_dir/artifacts" --lock-dir "$run_dir/locks"
  await silent "ready" 60 ready silent
  local address
  address=$(address_of silent grpc)
  bench_client instances --bridge "$address" --ports-file "$ports_file"
  bench_client load --bridge "$address" --database-url "$silent_database" --kind silent --count 1 --seconds 595 --leave >/dev/null
  silent_since=$SECONDS
}

end_polls() {
  begin_part "a silent job"
  local rest=$((silent_since + silent_seconds - SECONDS))
  if ((rest > 0)); then
    say "watching the silent job for another $rest s"
    sleep "$rest"
  fi
  # Looks since the node began: "time requests" in seconds.
  jq -r 'select(.event == "node" or .fault == "answer_late") | "\(.event) \(.t_us)"' "$silent_ledger" | awk '
    $1 == "node" { begun = 1; next }
    begun && n && $2 - at[n] < 1000000 { at[n] = $2; ++requests[n]; next }
    begun { at[++n] = $2; requests[n] = 1 }
    END { for (i = 1; i <= n; ++i) printf "%.3f %d\n", at[i] / 1000000, requests[i] }' >"$run_dir/looks"
  local pauses per_hour=null requests=null
  pauses=$(awk 'NR > 1 { printf "%s%.0f", (NR > 2 ? " " : ""), $1 - at } { at = $1 }' "$run_dir/looks")
  if (($(wc -l <"$run_dir/looks") >= 2)); then
    per_hour=$(tail -n 2 "$run_dir/looks" | awk '{ at[NR] = $1 } END { printf "%.1f", 3600 / (at[2] - at[1]) }')
    requests=$(tail -n 2 "$run_dir/looks" | awk '{ at[NR] = $1; n = $2 } END { printf "%.1f", n * 3600 / (at[2] - at[1]) }')
  fi
  stop silent || true
  stop comfysim-silent || true
  result polls_per_hour "$per_hour"
  result requests_per_hour "$requests"
  row "  looks per hour, from the last pause (at most 40)" "$per_hour" ""
  row "    in requests" "$requests" ""
  row "    pauses seen: $pauses" "" s
}
