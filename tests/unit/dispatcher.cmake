renderyard_test(settlement_test LABEL unit SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/settlement_test.cc LINK renderyard_domain)
renderyard_test(placement_test LABEL unit SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/placement_test.cc LINK renderyard_domain)
renderyard_test(event_tailer_test LABEL unit SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/event_tailer_test.cc
  LINK renderyard_dispatcher renderyard_testing_sim)
