renderyard_test(job_request_test LABEL unit SOURCES ${CMAKE_CURRENT_LIST_DIR}/job_request_test.cc LINK renderyard_gateway)
renderyard_test(gateway_feed_test LABEL unit
  SOURCES
    ${CMAKE_CURRENT_LIST_DIR}/gateway_feed_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/gateway_feed_trouble_test.cc
    ${CMAKE_CURRENT_LIST_DIR}/gateway_progress_test.cc
  LINK renderyard_gateway renderyard_testing_sim)
renderyard_test(cli_test LABEL unit SOURCES ${CMAKE_CURRENT_LIST_DIR}/cli_test.cc
  ${CMAKE_CURRENT_LIST_DIR}/cli_access_test.cc LINK renderyard_cli)
