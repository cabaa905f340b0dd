# The simulated world: kernel, network, database link and a fake ComfyUI that lives in it.
renderyard_library(renderyard_testing_sim OPTIMIZED
  SOURCES
    sim/network.cc sim/process.cc sim/sim_database_link.cc sim/trace.cc sim/world.cc
    fake_comfy/client_table.cc fake_comfy/fake_comfy.cc fake_comfy/handle.cc fake_comfy/prompt.cc
    fake_comfy/written_files.cc
  LINK renderyard_base renderyard_domain renderyard_ports)
