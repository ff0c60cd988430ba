# The Lua that runs inside Redis becomes part of sluice_backends: a changed script configures again. Each script is
# time.lua with the files named here behind it, in that order.
set(redis_limit operations limit_series limit_reservation limit_decision limit limit_administrator operations_end)
set(redis_greylist operations greylist operations_end)
set(redis_auto_allow operations auto_allow operations_end)
set(redis_seen operations seen operations_end)
set(redis_lists operations lists operations_end)
set(redis_survey survey)

# Into REDIS_<script>: the text of its files.
macro(sluice_read_redis_script script)
  set(REDIS_${script} "")
  foreach(name ${ARGN})
    set(file ${CMAKE_SOURCE_DIR}/src/backends/redis/${name}.lua)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    file(READ ${file} text)
    string(APPEND REDIS_${script} "${text}")
  endforeach()
endmacro()

function(sluice_embed_redis_scripts)
  sluice_read_redis_script(time time)
  foreach(script limit greylist auto_allow seen lists survey)
    sluice_read_redis_script(${script} ${redis_${script}})
  endforeach()
  configure_file(${CMAKE_SOURCE_DIR}/cmake/redis_scripts.cpp.in ${CMAKE_BINARY_DIR}/redis_scripts.cpp @ONLY)
  target_sources(sluice_backends PRIVATE ${CMAKE_BINARY_DIR}/redis_scripts.cpp)
endfunction()
