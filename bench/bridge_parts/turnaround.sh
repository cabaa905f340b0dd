# One job of 10 ms with one picture, and many of them. Sourced by bench/bridge.
# shellcheck shell=bash disable=SC2154
#
# turnaround_over_floor_p50_ms  from the commit of the assigned row to that of the completed row (PostgreSQL's commit
#                               timestamps; they are taken before the disk is waited for, so the flush of the first one is
#                               in it and that of the last one is not), minus the floor: a client of bare sockets that
#                               posts the same workflow, waits for its end, fetches history and file. Medians of one run
#                               in which both take turns
# commits_per_job               COMMIT records of transactions that touch the execution, without the claim, by pg_waldump; also
#                               those that write progress, which do not wait for the disk
# commit_share_percent          of the time over the floor, at most: so many commits (the last is not waited for, but the
#                               claim is) at the median price of a durable one-row commit in the same run
# file_fsync_share_percent      the same for one file made durable and renamed
# requests_per_job              requests in comfysim's ledger (a fault that delays answers by 0 ms notes each), without
#                               one per file
# cpu_us_per_job                user and system time of the bridge, at steady load on 8 instances
# tracked_by_socket_percent     executions whose end stands in the database less than a second after the ledger's: a look
#                               over REST comes after two seconds at the earliest

# Transactions that committed between two WAL positions, as "count tables", the most frequent first.
commits_between() {
  local data
  data=$(postgres_home)/data
  sql "SELECT c.relfilenode, CASE WHEN c.relkind = 'S' THEN '-' ELSE COALESCE(t.relname, c.relname) END FROM pg_class c
       LEFT JOIN pg_index i ON i.indexrelid = c.oid LEFT JOIN pg_class t ON t.oid = i.indrelid WHERE c.relfilenode <> 0" |
    tr '|' ' ' >"$run_dir/relations"
  as_postgres $pg_bin/pg_waldump --path="$data/pg_wal" --start="$1" --end="$2" 2>/dev/null |
    awk -v relations="$run_dir/relations" -v database="$(sql 'SELECT oid FROM pg_database WHERE datname = current_database()')" '
      BEGIN { while ((getline line < relations) > 0) { split(line, f, " "); name[f[1]] = f[2] } }
      { match($0, /tx: +[0-9]+/); tx = substr($0, RSTART + 3, RLENGTH - 3) + 0 }
      match($0, /rel [0-9]+\/[0-9]+\/[0-9]+/) {
        split(substr($0, RSTART + 4, RLENGTH - 4), part, "/")
        table = part[2] != database ? "-" : (part[3] in name) ? name[part[3]] : "relation " part[3]
        if (table != "-" && index("," tables[tx], "," table ",") == 0) tables[tx] = tables[tx] table ","
      }
      /desc: COMMIT / && tables[tx] != "" { ++count[tables[tx]] }
      END { for (t in count) print count[t], t }' | sort -nr
}

measure_turnaround() {
  local count=120 counted=40 many=3000 begin end pid ticks
  begin_part "turnaround of a job of 10 ms"
  use_database turnaround
  start_fleet turnaround 8 --step-ms 0
  start_bridge
  bench_client instances --bridge "$bridge_grpc" --ports-file "$ports_file" --at-most 1
  await bridge "connection to comfysim" 60 at_least connected 1
  sql 'CREATE TABLE bench_commits (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz)'
  local options=(--bridge "$bridge_grpc" --database-url "$database_url" --port "$(head -n 1 "$ports_file")" --directory "$run_dir/artifacts")
  bench_client turnaround "${options[@]}" --count "$count" --salt 1 >"$run_dir/turns"
  local executions
  executions=$(jq -r '.execution // empty' "$run_dir/turns" | paste -sd,)
  # "execution claimed completed": commit times in µs.
  sql "SELECT e.id, round(1000000 * extract(epoch FROM pg_xact_commit_timestamp(c.xmin))),
              round(1000000 * extract(epoch FROM pg_xact_commit_timestamp(e.xmin)))
       FROM comfyui_executions e JOIN job_events c ON c.execution_id = e.id AND c.type = 'job_claimed'
       WHERE e.id IN ($executions) AND e.status = 'completed'" | tr '|' ' ' >"$run_dir/commit_times"
  awk '{ print $3 - $2 }' "$run_dir/commit_times" >"$run_dir/ours"
  (($(wc -l <"$run_dir/ours") == count)) || die "not every job was completed"
  local ours floor commit file p90
  ours=$(quantile 0.5 <"$run_dir/ours") p90=$(quantile 0.9 <"$run_dir/ours")
  floor=$(jq -r '.floor_us // empty' "$run_dir/turns" | quantile 0.5)
  commit=$(jq -r '.commit_us // empty' "$run_dir/turns" | quantile 0.5)
  file=$(jq -r '.file_us // empty' "$run_dir/turns" | quantile 0.5)
  # Where the time is: claimed to accepted by the server, to the prompt's end, to completed.
  jq -r 'select((.event == "accepted" or .event == "ended") and .execution_id) | "\(.event) \(.execution_id) \(.t_us)"' \
    "$fleet_dir/1/ledger.jsonl" >"$run_dir/prompts"
  awk 'NR == FNR { at[$1 " " $2] = $3; next } { print at["accepted " $1] - $2, at["ended " $1] - at["accepted " $1], $3 - at["ended " $1] }' \
    "$run_dir/prompts" "$run_dir/commit_times" >"$run_dir/stages"
  local stage stages=()
  for stage in 1 2 3; do stages+=("$(calculate %.2f "$(cut -d' ' -f"$stage" "$run_dir/stages" | quantile 0.5) / 1000")"); done

  # The requests of some jobs and their commits.
  local ledger_lines requests files commits
  bench_client faults --ports-file "$ports_file" --at-most 1 --body '{"fault":"answer_late","delay_ms":0}'
  ledger_lines=$(wc -l <"$fleet_dir/1/ledger.jsonl")
  begin=$(sql 'SELECT pg_current_wal_flush_lsn()')
  bench_client turnaround "${options[@]}" --count "$counted" --warm 0 --only-ours --salt 2 >"$run_dir/counted"
  end=$(sql 'SELECT pg_current_wal_flush_lsn()')
  tail -n "+$((ledger_lines + 1))" "$fleet_dir/1/ledger.jsonl" >"$run_dir/counted.ledger"
  bench_client faults --ports-file "$ports_file" --at-most 1 --body '{"fault":"clear"}'
  requests=$(jq -r 'select(.event == "fault" and .fault == "answer_late") | .request // "POST /prompt"' "$run_dir/counted.ledger" |
    sed 's|^GET /history/.*|GET /history/{id}|' | sort | uniq -c | sort -nr | tee "$run_dir/requests" | awk '{ n += $1 } END { print n + 0 }')
  files=$(jq -r 'select(.event == "file") | .filename' "$run_dir/counted.ledger" | wc -l)
  commits_between "$begin" "$end" >"$run_dir/commits"
  commits=$(awk '$2 ~ /comfyui_executions,/ { n += $1 } END { print n + 0 }' "$run_dir/commits")

  # Many at once.
  bench_client instances --bridge "$bridge_grpc" --ports-file "$ports_file" --skip 1
  await bridge "connections to comfysim" 60 at_least connected 8
  options=(--bridge "$bridge_grpc" --database-url "$database_url" --seconds 300)
  bench_client load "${options[@]}" --count 300 --salt 3 >/dev/null
  pid=${pid_of[bridge]}
  ticks=$(cpu_ticks "$pid")
  bench_client load "${options[@]}" --count "$many" --salt 4 >"$run_dir/many"
  ticks=$(($(cpu_ticks "$pid") - ticks))
  local completed
  completed=$(sql "SELECT count(*) FROM comfyui_executions WHERE status = 'completed'")
  ((completed >= many + 300 + counted + count)) || die "not every job was completed"

  sql "SELECT id, round(1000000 * extract(epoch FROM ended_at)) FROM comfyui_executions WHERE status = 'completed'" |
    tr '|' ' ' >"$run_dir/ended.database"
  ledgers | jq -r 'select(.event == "ended" and .execution_id) | "\(.execution_id) \(.t_us)"' >"$run_dir/ended.ledger"
  local tracked
  tracked=$(awk 'NR == FNR { at[$1] = $2; next } ($1 in at) && $2 - at[$1] < 1000000 { ++n } END { print n + 0 }' \
    "$run_dir/ended.ledger" "$run_dir/ended.database")
  stop_bridge turnaround
  stop comfysim-turnaround || true

  local over floor_ms ours_ms waited
  over=$(calculate %.2f "($ours - $floor) / 1000") floor_ms=$(calculate %.2f "$floor / 1000") ours_ms=$(calculate %.2f "$ours / 1000")
  waited=$(calculate %.2f "$commits / $counted - 1")  # without the claim, and the last one is not waited for but the claim is
  result turnaround_over_floor_p50_ms "$over"
  result turnaround_p50_ms "$ours_ms"
  result turnaround_p90_ms "$(calculate %.2f "$p90 / 1000")"
  result floor_p50_ms "$floor_ms"
  result commits_per_job "$waited"
  result commit_p50_ms "$(calculate %.2f "$commit / 1000")"
  result file_fsync_p50_ms "$(calculate %.2f "$file / 1000")"
  result commit_share_percent "$(calculate %.0f "100 * $waited * $commit / ($ours - $floor)")"
  result file_fsync_share_percent "$(calculate %.0f "100 * $file / ($ours - $floor)")"
  result requests_per_job "$(calculate %.2f "($requests - $files) / $counted")"
  result cpu_us_per_job "$(calculate %.0f "$ticks * 1000000 / $hz / $many")"
  result jobs_per_s "$(jq -r '.jobs * 1000000 / (.end_us - .begin_us) * 10 | round / 10' "$run_dir/many")"
  result tracked_by_socket_percent "$(percent_of "$tracked" "$completed")"
  row "  assigned row to completed row, over the floor, p50 (at most 3)" "$over" ms
  row "    ours, p50 (p90 ${value_of[turnaround_p90_ms]})" "$ours_ms" ms
  row "    floor, p50 (at most 12)" "$floor_ms" ms
  row "    claimed to accepted by the server" "${stages[0]}" ms
  row "    accepted to the prompt's end, at the server" "${stages[1]}" ms
  row "    the prompt's end to completed" "${stages[2]}" ms
  row "    a durable commit ${value_of[commit_p50_ms]}, of which a job has $waited: share of what is over" "${value_of[commit_share_percent]}" %
  row "    a durable file ${value_of[file_fsync_p50_ms]}: share of what is over" "${value_of[file_fsync_share_percent]}" %
  while read -r n tables; do row "      commits per job of ${tables%,}" "$(calculate %.2f "$n / $counted")" ""; done <"$run_dir/commits"
  row "  requests per job besides one per file (at most 2)" "${value_of[requests_per_job]}" ""
  while read -r n what; do row "      $what" "$(calculate %.2f "$n / $counted")" ""; done <"$run_dir/requests"
  row "  CPU of the bridge per job (at most 800), at ${value_of[jobs_per_s]} jobs/s" "${value_of[cpu_us_per_job]}" us
  row "  ends heard on the socket (at least 99)" "${value_of[tracked_by_socket_percent]}" %
}
