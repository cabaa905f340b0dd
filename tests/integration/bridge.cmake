# The bridge's logic with its ComfyUI adapters against comfysim, on fakes of the stores.
renderyard_test(bridge_comfysim_test LABEL integration TIMEOUT 600
  SOURCES bridge/abilities_test.cc bridge/access_test.cc bridge/auth_front.cc bridge/bridge_lab.cc bridge/generations_test.cc
    bridge/instances_test.cc bridge/limits_test.cc bridge/operator_test.cc bridge/socket_pictures_test.cc bridge/watching_test.cc
    comfy/certificate.cc comfy/sim_process.cc
  LINK renderyard_bridge renderyard_bridge_comfy renderyard_bridge_metrics renderyard_runtime renderyard_testing_fakes OpenSSL::SSL)
add_dependencies(bridge_comfysim_test comfysim)

# What is told of a job, what became of it while nobody looked, and what goes on after its end.
renderyard_test(bridge_away_test LABEL integration TIMEOUT 600
  SOURCES bridge/away_test.cc bridge/bridge_lab.cc bridge/strays_test.cc bridge/telling_test.cc comfy/sim_process.cc
  LINK renderyard_bridge renderyard_bridge_comfy renderyard_bridge_metrics renderyard_runtime renderyard_testing_fakes)
add_dependencies(bridge_away_test comfysim)

# Each kind of fault of comfysim; most of the time is waited for what shows nothing.
renderyard_test(bridge_faults_test LABEL integration TIMEOUT 900
  SOURCES bridge/bridge_lab.cc bridge/faults_test.cc comfy/sim_process.cc
  LINK renderyard_bridge renderyard_bridge_comfy renderyard_bridge_metrics renderyard_runtime renderyard_testing_fakes)
add_dependencies(bridge_faults_test comfysim)
