include(GoogleTest)

set(ecf8_test_includes ${ecf8_common_includes} <gmock/gmock.h> <gtest/gtest.h>)
ecf8_headers(ecf8_test_headers ${ecf8_test_includes}
  OPTIONS ${ecf8_quick_compile}
  LINK GTest::gmock absl::span absl::statusor absl::strings)

add_custom_target(tests)

# ecf8_test(NAME SOURCES... [LABEL unit|conformance|golden|emulation|fakecuda|gpu|bundle|e2e] [FIXTURE NAME]
#           [LINK LIBRARIES...] [HEADERS NAME])
# One GoogleTest program. Its cases appear in ctest one by one, with the label; they need the ctest fixture. Under
# sanitizers, which make every start and every fixture slow, the program is one test, but for those that may be skipped.
function(ecf8_test name)
  cmake_parse_arguments(arg "" "LABEL;FIXTURE;HEADERS" "LINK" ${ARGN})
  if(NOT arg_LABEL)
    set(arg_LABEL unit)
  endif()
  if(NOT arg_HEADERS)
    set(arg_HEADERS ecf8_test_headers)
  endif()
  add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
  add_dependencies(tests ${name})
  target_link_libraries(${name} PRIVATE ecf8_compile ${arg_LINK} GTest::gmock GTest::gtest_main)
  target_compile_options(${name} PRIVATE ${ecf8_quick_compile})
  target_compile_definitions(${name} PRIVATE $<TARGET_PROPERTY:${arg_HEADERS},INTERFACE_COMPILE_DEFINITIONS>)
  target_precompile_headers(${name} REUSE_FROM ${arg_HEADERS})
  target_compile_definitions(${name} PRIVATE
    ECF8_SOURCE_DIR="${CMAKE_SOURCE_DIR}" ECF8_BINARY_DIR="${CMAKE_BINARY_DIR}")
  if(ECF8_SANITIZE AND NOT arg_LABEL STREQUAL "gpu")
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES LABELS ${arg_LABEL} TIMEOUT 1800 FIXTURES_REQUIRED "${arg_FIXTURE}")
  else()
    gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST
      PROPERTIES LABELS ${arg_LABEL} TIMEOUT 300 FIXTURES_REQUIRED "${arg_FIXTURE}")
  endif()
endfunction()

# ecf8_fuzz_target(NAME SOURCE [LINK LIBRARIES...])
# SOURCE defines LLVMFuzzerTestOneInput. With ECF8_BUILD_FUZZERS it links libFuzzer; otherwise a small
# main that replays tests/fuzz/corpus/NAME as the ctest "fuzz_replay.NAME".
function(ecf8_fuzz_target name source)
  cmake_parse_arguments(arg "" "" "LINK" ${ARGN})
  if(ECF8_BUILD_FUZZERS)
    add_executable(${name} ${source})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    add_executable(${name} ${source} ${CMAKE_SOURCE_DIR}/tests/fuzz/replay_main.cc)
    add_test(NAME fuzz_replay.${name} COMMAND ${name} ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name})
    set_tests_properties(fuzz_replay.${name} PROPERTIES LABELS fuzz-replay TIMEOUT 300)
  endif()
  target_link_libraries(${name} PRIVATE ecf8_compile ${arg_LINK})
endfunction()
