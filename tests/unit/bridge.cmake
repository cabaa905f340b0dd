renderyard_test(identity_lock_test LABEL unit SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/identity_lock_test.cc
  LINK renderyard_bridge)
renderyard_test(bridge_execution_test LABEL unit SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/bridge_execution_test.cc
  LINK renderyard_bridge renderyard_testing_sim)
renderyard_test(router_test LABEL unit SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/router_test.cc
  LINK renderyard_bridge renderyard_testing_sim)
renderyard_test(name_turns_test LABEL unit SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/name_turns_test.cc
  LINK renderyard_bridge renderyard_testing_sim)
renderyard_test(event_feed_test LABEL unit SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/event_feed_test.cc
  LINK renderyard_bridge renderyard_testing_sim)
renderyard_test(progress_feed_test LABEL unit SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/progress_feed_test.cc
  LINK renderyard_bridge renderyard_testing_sim)
renderyard_test(bridge_writers_test LABEL unit SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/bridge_writers_test.cc
  LINK renderyard_bridge renderyard_testing_fakes renderyard_testing_sim)
