# How every target of the project is compiled. Nothing here depends on a third-party library.

add_library(ecf8_compile INTERFACE)
target_include_directories(ecf8_compile INTERFACE "${CMAKE_SOURCE_DIR}")
target_compile_options(ecf8_compile INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wvla -Wnon-virtual-dtor -Wimplicit-fallthrough -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # Lock discipline is checked by clang; g++ ignores the annotations.
  target_compile_options(ecf8_compile INTERFACE -Wthread-safety)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 reports false positives inside std::string (GCC bugs 105651, 105329).
  target_compile_options(ecf8_compile INTERFACE
    -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread)
endif()
if(ECF8_SANITIZE)
  target_compile_options(ecf8_compile INTERFACE
    -fsanitize=${ECF8_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(ecf8_compile INTERFACE -fsanitize=${ECF8_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # g++ 12 reports false positives inside the standard library when it instruments.
    target_compile_options(ecf8_compile INTERFACE -Wno-maybe-uninitialized)
  endif()
endif()
# For what is waited for while it compiles, more than while it runs: tests, and all that includes gRPC's headers, whose
# templates each file gets anew.
set(ecf8_quick_compile $<$<CONFIG:Debug>:-O0> $<$<CONFIG:Release>:-O1>)
if(ECF8_BUILD_FUZZERS)
  target_compile_options(ecf8_compile INTERFACE -fsanitize=fuzzer-no-link)
endif()

# What becomes part of the client library: code that may be loaded anywhere, and is not seen outside.
function(ecf8_hide name)
  set_target_properties(${name} PROPERTIES
    POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
endfunction()

# ecf8_headers(NAME HEADERS... [OPTIONS OPTIONS...] [LINK LIBRARIES...]): the standard library's and third parties'
# headers that most files of many libraries include, compiled once: they take longer than all of our own code. A file
# still includes what it uses: the presets clang and tidy go without.
function(ecf8_headers name)
  cmake_parse_arguments(arg "" "" "OPTIONS;LINK" ${ARGN})
  add_library(${name} STATIC "${CMAKE_SOURCE_DIR}/cmake/empty.cc")
  target_link_libraries(${name} PUBLIC ecf8_compile ${arg_LINK})
  target_compile_options(${name} PRIVATE ${arg_OPTIONS})
  target_precompile_headers(${name} PRIVATE ${arg_UNPARSED_ARGUMENTS})
endfunction()

set(ecf8_common_includes
  <algorithm> <array> <atomic> <chrono> <functional> <map> <memory> <optional> <string> <string_view> <thread>
  <unordered_map> <utility> <vector> <absl/status/status.h> <absl/status/statusor.h> <absl/strings/str_cat.h>
  <absl/types/span.h>)

set(ecf8_rpc_includes
  <grpcpp/grpcpp.h> <ecf8/v1/weights.grpc.pb.h> <ecf8/v1/control.grpc.pb.h> <ecf8/v1/models.grpc.pb.h>)

# ecf8_library(NAME SOURCES... [LINK LIBRARIES...] [HEADERS NAME]): a static library of the project. HEADERS names
# those of ecf8_headers, with whose options and definitions it is compiled, where it is not ecf8_common_headers.
function(ecf8_library name)
  cmake_parse_arguments(arg "" "HEADERS" "LINK" ${ARGN})
  if(NOT arg_HEADERS)
    set(arg_HEADERS ecf8_common_headers)
  endif()
  add_library(${name} STATIC ${arg_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PUBLIC ecf8_compile ${arg_LINK})
  ecf8_hide(${name})
  target_compile_options(${name} PRIVATE $<TARGET_PROPERTY:${arg_HEADERS},COMPILE_OPTIONS>)
  target_compile_definitions(${name} PRIVATE $<TARGET_PROPERTY:${arg_HEADERS},INTERFACE_COMPILE_DEFINITIONS>)
  target_precompile_headers(${name} REUSE_FROM ${arg_HEADERS})
endfunction()

# ecf8_program(NAME SOURCES... [LINK LIBRARIES...]): a program, built into <build>/bin.
function(ecf8_program name)
  cmake_parse_arguments(arg "" "" "LINK" ${ARGN})
  add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE ecf8_compile ${arg_LINK})
endfunction()

# ecf8_link_archives(PROGRAM...): the programs need no library of the system's packages to run, only the C library.
# Not with sanitizers, which bring shared libraries of their own.
function(ecf8_link_archives)
  if(ECF8_SANITIZE)
    return()
  endif()
  set_target_properties(${ARGN} PROPERTIES RULE_LAUNCH_LINK "${CMAKE_SOURCE_DIR}/cmake/link_archives.sh")
endfunction()
