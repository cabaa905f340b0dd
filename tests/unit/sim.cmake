renderyard_test(sim_test LABEL unit
  SOURCES sim_comfy_test.cc sim_network_test.cc sim_world_test.cc
  LINK renderyard_testing_sim)
