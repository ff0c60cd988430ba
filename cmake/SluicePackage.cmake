# The Debian package: `scripts/package` configures with SLUICE_PACKAGE=ON and runs `cpack -G DEB`. It lays the
# configuration down in /etc/sluice (as conffiles, so that an upgrade asks before it overwrites an edited one),
# the manual pages and the completion, which the built program prints itself.
option(SLUICE_PACKAGE "Install into /etc too, with manual pages and completion: for the Debian package" OFF)
if(NOT SLUICE_PACKAGE)
  return()
endif()
find_package(Python3 REQUIRED COMPONENTS Interpreter)
set(made ${CMAKE_BINARY_DIR}/package)

add_custom_command(OUTPUT ${made}/made
  COMMAND ${CMAKE_COMMAND} -E make_directory ${made}/man ${made}/completion
  COMMAND Python3::Interpreter ${CMAKE_SOURCE_DIR}/scripts/man-pages $<TARGET_FILE:sluice> ${made}/man
  COMMAND sh -c "$<TARGET_FILE:sluice> completion bash >${made}/completion/sluice"
  COMMAND sh -c "$<TARGET_FILE:sluice> completion zsh >${made}/completion/_sluice"
  COMMAND sh -c "gzip -9nkf ${made}/man/* && gzip -9nc ${CMAKE_SOURCE_DIR}/CHANGELOG.md >${made}/changelog.gz"
  COMMAND ${CMAKE_SOURCE_DIR}/scripts/sbom $<TARGET_FILE:sluice> ${made}/sluice.spdx.json
  COMMAND ${CMAKE_COMMAND} -E touch ${made}/made
  DEPENDS sluice ${CMAKE_SOURCE_DIR}/scripts/man-pages VERBATIM)
add_custom_target(package_files ALL DEPENDS ${made}/made)

foreach(section 1 5 7 8)
  install(DIRECTORY ${made}/man/ DESTINATION share/man/man${section} FILES_MATCHING PATTERN "*.${section}.gz")
endforeach()
install(FILES ${made}/completion/sluice DESTINATION share/bash-completion/completions)
install(FILES ${made}/completion/_sluice DESTINATION share/zsh/vendor-completions)
install(FILES ${made}/sluice.spdx.json SECURITY.md cmake/package/copyright DESTINATION share/doc/sluice)
install(FILES ${made}/changelog.gz DESTINATION share/doc/sluice)
install(FILES config/sluice.yaml DESTINATION /etc/sluice PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
install(DIRECTORY policies/ DESTINATION /etc/sluice/policies FILES_MATCHING PATTERN "*.yaml"
        PATTERN demo EXCLUDE PATTERN examples EXCLUDE)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME sluice)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "Sluice maintainers <postmaster@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "policy filter (milter) for Postfix and Sendmail")
set(CPACK_PACKAGE_DESCRIPTION "The MTA asks Sluice at every step of an SMTP session; it runs the administrator's\npolicy and answers with the right SMTP code: rate limits, greylisting, sender\nvalidity, spam score and content, for each recipient. Limits and greylists are\nremembered on the host, or in Redis for several hosts.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION mail)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "adduser, publicsuffix, tzdata")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "postfix | sendmail-bin")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "redis-server, unbound | bind9, rspamd | spamd, clamav-daemon")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${CMAKE_SOURCE_DIR}/cmake/package/postinst ${CMAKE_SOURCE_DIR}/cmake/package/prerm
    ${CMAKE_SOURCE_DIR}/cmake/package/postrm ${CMAKE_BINARY_DIR}/package/conffiles)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

# Every file in /etc.
file(GLOB shipped RELATIVE ${CMAKE_SOURCE_DIR}/policies CONFIGURE_DEPENDS policies/*.yaml)
list(TRANSFORM shipped PREPEND /etc/sluice/policies/)
list(JOIN shipped "\n" conffiles)
file(WRITE ${made}/conffiles "/etc/sluice/sluice.yaml\n${conffiles}\n")
include(CPack)
