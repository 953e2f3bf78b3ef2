# Fuzz targets of loader/checkpoint/.
ecf8_fuzz_target(fuzz_safetensors_header ${CMAKE_CURRENT_LIST_DIR}/fuzz_safetensors_header.cc
  LINK ecf8_checkpoint)
