# The Debian package, by CPack: tools/package. What `cmake --install` gives goes below /usr; what is the system's (the
# units, the configuration) is in the component "system", which only the package has.

install(FILES deploy/systemd/ecf8d.service deploy/systemd/ecf8d.socket
        DESTINATION lib/systemd/system COMPONENT system EXCLUDE_FROM_ALL)
install(FILES deploy/systemd/ecf8d.toml DESTINATION etc/ecf8 COMPONENT system EXCLUDE_FROM_ALL)
install(FILES LICENSE DESTINATION usr/share/doc/ecf8 RENAME copyright COMPONENT system EXCLUDE_FROM_ALL)
install(DIRECTORY docs/ DESTINATION usr/share/doc/ecf8 COMPONENT system EXCLUDE_FROM_ALL)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME ecf8)
set(CPACK_PACKAGE_VENDOR ecf8)
# There is no address that would be right for everybody's builds, and none is made up.
set(ECF8_PACKAGE_CONTACT "ecf8 maintainers" CACHE STRING "Maintainer of the Debian package, as NAME <ADDRESS>")
set(CPACK_PACKAGE_CONTACT "${ECF8_PACKAGE_CONTACT}")
set(CPACK_PACKAGING_INSTALL_PREFIX /)
set(CPACK_INSTALL_CMAKE_PROJECTS "${CMAKE_BINARY_DIR};ecf8;ALL;/usr;${CMAKE_BINARY_DIR};ecf8;system;/")
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"ecf8d keeps the weights of models, compressed without loss, on NVMe and in
host memory, and decodes and serves them layer by layer. With it: the command
line ecf8, which compresses and fetches, and the client library libecf8client.")
# What the programs are linked with; passwd has useradd, init-system-helpers what the scripts ask of systemd.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "passwd, init-system-helpers (>= 1.54)")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "libabsl-dev, prometheus")
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    "${CMAKE_SOURCE_DIR}/deploy/debian/postinst;${CMAKE_SOURCE_DIR}/deploy/debian/prerm;${CMAKE_SOURCE_DIR}/deploy/debian/postrm;${CMAKE_SOURCE_DIR}/deploy/debian/conffiles;${CMAKE_SOURCE_DIR}/deploy/debian/triggers")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
include(CPack)
