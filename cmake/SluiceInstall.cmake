# What `cmake --install` lays down beside the program. Configuration goes to share/sluice as a model and is
# copied to /etc/sluice by the administrator: an installation never overwrites what somebody has edited.
include(GNUInstallDirs)
install(FILES config/sluice.yaml config/redis.conf config/redis-sentinel.conf config/redis-users.acl
        DESTINATION ${CMAKE_INSTALL_DATADIR}/sluice)
install(DIRECTORY policies DESTINATION ${CMAKE_INSTALL_DATADIR}/sluice FILES_MATCHING PATTERN "*.yaml" PATTERN demo EXCLUDE)
install(FILES README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN "*.md" PATTERN decisions EXCLUDE PATTERN man EXCLUDE)
install(FILES contrib/prometheus/sluice.rules.yml contrib/grafana/sluice.json DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
install(FILES systemd/sluice.service systemd/sluice.socket DESTINATION lib/systemd/system)
install(FILES systemd/sluice.service.d/remote.conf.example DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES systemd/sluice.sysusers DESTINATION lib/sysusers.d RENAME sluice.conf)
install(FILES systemd/sluice.tmpfiles DESTINATION lib/tmpfiles.d RENAME sluice.conf)
