# The Lua that runs inside Redis becomes part of sluice_backends: a changed script configures again. Each script is the
# files named here, in that order.
set(redis_operations time operations limit_series limit_reservation limit_decision limit limit_administrator greylist
    auto_allow seen lists operations_end)
set(redis_survey survey)

# Numbers and texts with a name of their own, `local kLease = 60000`, are put in where they are named: inside Redis a name
# that functions share costs each call something. A name may be given once in a script.
macro(sluice_inline_constants script)
  string(REGEX MATCHALL "local k[A-Z][A-Za-z0-9]* = ([0-9]+|'[^'\n]*')" constants "${REDIS_${script}}")
  foreach(constant ${constants})
    string(REGEX REPLACE "local (k[A-Za-z0-9]+) = .*" "\\1" name "${constant}")
    string(REGEX REPLACE "local k[A-Za-z0-9]+ = " "" value "${constant}")
    string(REPLACE "${constant}" "" REDIS_${script} "${REDIS_${script}}")
    foreach(time RANGE 1)  # twice: what stands between two of them belongs to one only
      string(REGEX REPLACE "([^A-Za-z0-9_.])${name}([^A-Za-z0-9_])" "\\1${value}\\2" REDIS_${script} "${REDIS_${script}}")
    endforeach()
    if(REDIS_${script} MATCHES "local ${value}")
      message(FATAL_ERROR "${name} is given twice in the scripts of Redis")
    endif()
  endforeach()
endmacro()

# Into REDIS_<script>: the text of its files.
macro(sluice_read_redis_script script)
  set(REDIS_${script} "")
  foreach(name ${ARGN})
    set(file ${CMAKE_SOURCE_DIR}/src/backends/redis/${name}.lua)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    file(READ ${file} text)
    string(APPEND REDIS_${script} "${text}")
  endforeach()
  sluice_inline_constants(${script})
endmacro()

function(sluice_embed_redis_scripts)
  foreach(script operations survey)
    sluice_read_redis_script(${script} ${redis_${script}})
  endforeach()
  configure_file(${CMAKE_SOURCE_DIR}/cmake/redis_scripts.cpp.in ${CMAKE_BINARY_DIR}/redis_scripts.cpp @ONLY)
  target_sources(sluice_backends PRIVATE ${CMAKE_BINARY_DIR}/redis_scripts.cpp)
endfunction()
