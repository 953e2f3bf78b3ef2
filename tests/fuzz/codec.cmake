# The fuzz targets of decoder/. Their corpora were made by the fuzzers themselves: see corpus/README.codec.md.
foreach(name fuzz_chunk_decoder fuzz_code_table fuzz_round_trip)
  ecf8_fuzz_target(${name} ${CMAKE_CURRENT_LIST_DIR}/${name}.cc
    LINK ecf8_decoder ecf8_decoder_test_support)
endforeach()
