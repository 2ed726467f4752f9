# SPDX-License-Identifier: MIT
# What `cmake --install` puts where.
include(GNUInstallDirs)

# The installed library is one object of which only mpp_… can be seen: names
# inside of it have no prefix and would meet those of an application. The
# programs and tests of this build link the objects as they are.
set(MPP_EXPORTED ${CMAKE_BINARY_DIR}/exported/libmpp.a)
set(MPP_PARTS $<TARGET_OBJECTS:core> $<TARGET_OBJECTS:crypto>
  $<TARGET_OBJECTS:libloop>)
add_custom_command(OUTPUT ${MPP_EXPORTED}
  COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/exported
  COMMAND ${CMAKE_LINKER} -r -o ${CMAKE_BINARY_DIR}/exported/mpp.o ${MPP_PARTS}
  COMMAND ${CMAKE_OBJCOPY} --wildcard --keep-global-symbol=mpp_*
          ${CMAKE_BINARY_DIR}/exported/mpp.o
  COMMAND ${CMAKE_COMMAND} -E rm -f ${MPP_EXPORTED}
  COMMAND ${CMAKE_AR} rcs ${MPP_EXPORTED} ${CMAKE_BINARY_DIR}/exported/mpp.o
  DEPENDS ${MPP_PARTS} COMMAND_EXPAND_LISTS VERBATIM
  COMMENT "Linking the library that is installed")
add_custom_target(exported ALL DEPENDS ${MPP_EXPORTED})

# mpp.pc finds the rest from where it lies, so that the tree can be moved.
file(RELATIVE_PATH MPP_PC_UP
  ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" MPP_PC_UP "${MPP_PC_UP}")
configure_file(${CMAKE_CURRENT_LIST_DIR}/mpp.pc.in
  ${CMAKE_BINARY_DIR}/exported/mpp.pc @ONLY)

install(TARGETS mppd RUNTIME DESTINATION ${CMAKE_INSTALL_SBINDIR})
install(TARGETS mppctl mpp RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES ${MPP_EXPORTED} DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${CMAKE_BINARY_DIR}/exported/mpp.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(DIRECTORY include/mpp DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.h")
install(FILES packaging/wireshark/mpp.lua
  DESTINATION ${CMAKE_INSTALL_DATADIR}/mpp/wireshark)
install(FILES man/mpp.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES man/mppd.conf.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
install(FILES man/mppd.8 man/mppctl.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
