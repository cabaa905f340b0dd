# The gateway's real server over fake stores.
foreach(_test http websocket)
  renderyard_test(gateway_${_test}_test LABEL integration
    SOURCES ${CMAKE_CURRENT_LIST_DIR}/gateway/${_test}_test.cc
    LINK renderyard_gateway_http renderyard_dispatcher renderyard_testing_fakes renderyard_runtime renderyard_cli)
endforeach()
