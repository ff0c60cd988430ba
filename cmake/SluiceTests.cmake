# sluice_test(NAME <name> COMMAND <command>...)
# add_test, and with sanitizers the command is run by tests/sanitizers/sanitized: a report of any process of the test fails it.
# A target as the command is its program. Every test of ours is made here, so that none looks away.
function(sluice_test)
  cmake_parse_arguments(test "" "NAME" "COMMAND" ${ARGN})
  if(NOT SLUICE_SANITIZE)
    add_test(NAME ${test_NAME} COMMAND ${test_COMMAND})
    return()
  endif()
  list(POP_FRONT test_COMMAND program)
  if(TARGET ${program})
    set(program $<TARGET_FILE:${program}>)
  endif()
  add_test(NAME ${test_NAME} COMMAND ${CMAKE_SOURCE_DIR}/tests/sanitizers/sanitized ${CMAKE_BINARY_DIR}/reports/${test_NAME}
           ${program} ${test_COMMAND})
endfunction()
