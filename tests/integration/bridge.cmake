# The bridge's logic with its ComfyUI adapters against comfysim, on fakes of the stores; and what may stand between the two.
renderyard_test_library(renderyard_bridge_lab
  SOURCES bridge/bridge_lab.cc bridge/meddler.cc bridge/told.cc
  LINK renderyard_bridge renderyard_bridge_comfy renderyard_bridge_metrics renderyard_runtime renderyard_testing_fakes
    renderyard_test_servers)

renderyard_test(bridge_comfysim_test LABEL integration TIMEOUT 600 WAITS
  SOURCES bridge/abilities_test.cc bridge/access_test.cc bridge/auth_front.cc bridge/generations_test.cc bridge/instances_test.cc
    bridge/limits_test.cc bridge/operator_test.cc bridge/socket_pictures_test.cc bridge/watching_test.cc
  LINK renderyard_bridge_lab)
add_dependencies(bridge_comfysim_test comfysim)

# What is told of a job, what became of it while nobody looked, and what goes on after its end.
renderyard_test(bridge_away_test LABEL integration TIMEOUT 600 WAITS
  SOURCES bridge/away_test.cc bridge/strays_test.cc bridge/telling_test.cc
  LINK renderyard_bridge_lab)
add_dependencies(bridge_away_test comfysim)

# Each kind of fault of comfysim; most of the time is waited for what shows nothing.
renderyard_test(bridge_faults_test LABEL integration TIMEOUT 900 WAITS
  SOURCES bridge/faults_test.cc
  LINK renderyard_bridge_lab)
add_dependencies(bridge_faults_test comfysim)

# What stands between the bridge and a server, and what the bridge says of it: secrets, odd frames, files under strange
# names, deaf servers, POSTs that break, slow readers, changes by operators, command lines.
renderyard_test(bridge_more_test LABEL integration TIMEOUT 900 WAITS
  SOURCES bridge/broken_posts_test.cc bridge/capabilities_test.cc bridge/changes_test.cc bridge/cli_peer_test.cc
    bridge/command_lines_test.cc bridge/deaf_server_test.cc bridge/odd_frames_test.cc bridge/outputs_test.cc
    bridge/overwritten_test.cc bridge/plain_http.cc bridge/post_deadline_test.cc bridge/program.cc bridge/secrets_process_test.cc
    bridge/secrets_test.cc bridge/slow_readers_test.cc bridge/slow_streams_test.cc bridge/tracking_test.cc certificate.cc
  LINK renderyard_bridge_lab renderyard_bridge_grpc renderyard_cli renderyard_dispatcher_grpc renderyard_grpc_adapters
    renderyard_testing_postgres)
add_dependencies(bridge_more_test comfysim renderyard-bridge renderyard-dispatcher)

# What of the bridge's upkeep is seen from outside: what it reads again, counts, and how it keeps its lines.
renderyard_test(bridge_upkeep_test LABEL integration TIMEOUT 900 WAITS
  SOURCES bridge/adoptions_test.cc bridge/oldest_posts_test.cc bridge/pings_test.cc bridge/refresh_test.cc
    bridge/refusals_test.cc
  LINK renderyard_bridge_lab)
add_dependencies(bridge_upkeep_test comfysim)
