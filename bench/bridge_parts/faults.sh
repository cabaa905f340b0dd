# The whole system beside servers that refuse, drop and forget. Sourced by bench/bridge.
# shellcheck shell=bash disable=SC2154
#
# transient_recovered_percent   instances get jobs and refuse connections for 0.2 to 7 s, until that has met a thousand jobs:
#                               those of them that are completed. transient_hits: how many it met, by a refused POST
# jobs_completed_percent        instant replies; of the prompts 20 % lose their socket in mid-run, 5 % are forgotten with
#                               queue and history after they were accepted; the history is 200 ms late
# jobs_twice                    executions or prompts that started twice, and jobs that ran by two executions (ledgers)
# jobs_hanging                  not final two minutes after the last one moved
# jobs_wrong_state              completed without a prompt that ended well or without a picture, failed or cancelled
#                               although a prompt ended well that the server had not been made to forget (it may run on, and
#                               nobody can ask for it), or failed without a reason (PostgreSQL against the ledgers)

start_system() {
  use_database "$1"
  start_fleet "$1" "$2" --step-ms 0
  start_bridge
  start_service dispatcher --grpc-listen 127.0.0.1:0 --dispatcher-id bench
  await dispatcher "ready" 60 ready dispatcher
  dispatcher_grpc=$(address_of dispatcher grpc)
  start_service gateway --http-listen "127.0.0.1:$(kept_port "$run_dir/gateway.port")" \
    --dispatcher-addresses "$dispatcher_grpc" --artifacts-dir "$run_dir/artifacts"
  await gateway "ready" 60 ready gateway
  gateway_url=http://$(address_of gateway http)
  bench_client instances --bridge "$bridge_grpc" --ports-file "$ports_file"
  await bridge "connections to comfysim" 120 at_least connected "$2"
  jq '."5".inputs.width = 64 | ."5".inputs.height = 64' "$root/examples/text-to-image.json" >"$run_dir/workflow.json"
}
stop_system() {
  stop gateway || true
  stop dispatcher || true
  stop_bridge "$1"
  stop "comfysim-$1" || true
}
# submit N: so many different jobs.
submitted=0
submit() {
  renderyard submit "$run_dir/workflow.json" --jobs "$1" --seed "$((1000000 + submitted))" >/dev/null
  submitted=$((submitted + $1))
}
open_jobs() { sql "SELECT count(*) FROM jobs WHERE status_id IN (1, 2)"; }
jobs_in() { sql "SELECT count(*) FROM jobs j JOIN job_statuses s ON s.id = j.status_id WHERE s.name = '$1'"; }
# Waits while jobs move: returns when none is open, or when nothing ended for so many seconds.
until_done() {
  local open before=-1 patience=$1 deadline=$((SECONDS + $1))
  while open=$(open_jobs) && ((open > 0)); do
    if ((open != before)); then before=$open deadline=$((SECONDS + patience)); fi
    ((SECONDS < deadline)) || return 0
    sleep 0.25
  done
}
failures() { sql "SELECT count(*) || ' ' || error_code || ': ' || min(error_message) FROM jobs WHERE error_code IS NOT NULL GROUP BY error_code ORDER BY count(*) DESC"; }

measure_transient() {
  local size=250 hits=0 round line
  local met="FROM comfyui_executions WHERE status = 'not_accepted' AND outcome_proof = 'connect_failed'"
  begin_part "jobs on instances that refuse connections for up to 7 s"
  start_system transient "$size"
  for ((round = 1; round <= 8 && hits < 1000; ++round)); do
    bench_client faults --ports-file "$ports_file" --salt "$round" --body '{"fault":"closed","for_ms":MILLISECONDS}'
    submit "$size"
    until_done 60
    await bridge "all connections again" 60 at_least connected "$size"
    hits=$(sql "SELECT count(DISTINCT platform_job_id) $met")
  done
  local refused recovered why
  refused=$(sql "SELECT count(*) $met")
  recovered=$(sql "SELECT count(*) FROM jobs WHERE status_id = 3 AND id IN (SELECT platform_job_id $met)")
  why=$(failures)
  stop_system transient
  result transient_recovered_percent "$(percent_of "$recovered" "$hits")"
  result transient_hits "$hits"
  row "  jobs completed all the same, of $hits that met one (at least 99)" "${value_of[transient_recovered_percent]}" %
  row "    POSTs that were refused" "$refused" ""
  while read -r line; do if [[ -n $line ]]; then row "    failed: $line" "" ""; fi; done <<<"$why"
}

measure_faults() {
  local size=60 begin line
  begin_part "$job_count jobs, sockets dropped, prompts lost, history late"
  start_system faults "$size"
  bench_client faults --ports-file "$ports_file" --body '[{"fault":"drop","at":"mid_run","probability":0.2},
    {"fault":"history_late","delay_ms":200},{"fault":"forget","at":"post_after_queue","probability":0.05}]'
  begin=$SECONDS submitted=0
  while ((submitted < job_count)); do
    submit $((job_count - submitted < 100 ? job_count - submitted : 100))
    while (($(open_jobs) > 1000)); do sleep 0.2; done
  done
  until_done 120
  local seconds=$((SECONDS - begin)) hanging completed twice wrong judged
  hanging=$(open_jobs) completed=$(jobs_in completed)
  judged=$("$bin/comfysim-judge" --json "$fleet_dir"/*/ledger.jsonl) || true
  twice=$(jq -e '.executed_twice | arrays | length' <<<"$judged") || true
  [[ $twice =~ ^[0-9]+$ ]] || die "comfysim-judge cannot read the ledgers"
  ledgers | jq -r 'select(.event == "ended" and .status == "success" and .execution_id) | .execution_id' >"$run_dir/ended.well"
  ledgers | jq -r 'select(.fault == "forget" and .execution_id) | .execution_id' >"$run_dir/forgotten"
  ledgers | jq -r 'select(.event == "started" and .execution_id) | .execution_id' >"$run_dir/ran"
  read -r jobs_by_two wrong < <(
    psql -X -q -A -t -F' ' -w -v ON_ERROR_STOP=1 "$database_url" <<SQL
CREATE TEMPORARY TABLE ended_well (id bigint);
CREATE TEMPORARY TABLE forgotten (id bigint);
CREATE TEMPORARY TABLE ran (id bigint);
\copy ended_well FROM '$run_dir/ended.well'
\copy forgotten FROM '$run_dir/forgotten'
\copy ran FROM '$run_dir/ran'
SELECT (SELECT count(*) FROM (SELECT platform_job_id FROM comfyui_executions WHERE id IN (SELECT id FROM ran)
                              GROUP BY platform_job_id HAVING count(*) > 1) AS by_two),
       (SELECT count(*) FROM jobs j JOIN job_statuses s ON s.id = j.status_id
        CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM comfyui_executions e JOIN ended_well w ON w.id = e.id
                                           WHERE e.platform_job_id = j.id) AS well,
                                   EXISTS (SELECT FROM comfyui_executions e JOIN ended_well w ON w.id = e.id
                                           WHERE e.platform_job_id = j.id AND e.id NOT IN (SELECT id FROM forgotten)) AS known,
                                   EXISTS (SELECT FROM job_outputs o WHERE o.job_id = j.id) AS picture) AS seen
        WHERE (s.name = 'completed' AND NOT (seen.well AND seen.picture)) OR (s.name IN ('failed', 'cancelled') AND seen.known)
           OR (s.name = 'failed' AND (j.error_code IS NULL OR j.error_message IS NULL)));
SQL
  )
  local why dropped forgotten
  why=$(failures)
  dropped=$(ledgers | grep -c '"fault":"drop"' || true) forgotten=$(ledgers | grep -c '"fault":"forget"' || true)
  stop_system faults
  result jobs "$submitted"
  result jobs_twice "$((twice + jobs_by_two))"
  result jobs_hanging "$hanging"
  result jobs_wrong_state "$wrong"
  result jobs_completed_percent "$(percent_of "$completed" "$submitted")"
  row "  jobs completed, of $submitted in $seconds s (at least 94)" "${value_of[jobs_completed_percent]}" %
  row "    sockets dropped / prompts forgotten" "$dropped/$forgotten" ""
  row "  ran twice / hanging / in a wrong state (each 0)" "$((twice + jobs_by_two))/$hanging/$wrong" ""
  while read -r line; do if [[ -n $line ]]; then row "    failed: $line" "" ""; fi; done <<<"$why"
}
