# The simulated world: kernel, network and a fake ComfyUI that lives in it.
renderyard_library(renderyard_testing_sim
  SOURCES
    sim/process.cc sim/trace.cc sim/world.cc
  LINK renderyard_base renderyard_domain renderyard_ports)
