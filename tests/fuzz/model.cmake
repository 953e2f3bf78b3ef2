# Fuzz targets of loader/model/.
ecf8_fuzz_target(fuzz_manifest ${CMAKE_CURRENT_LIST_DIR}/fuzz_manifest.cc LINK ecf8_model)
