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
  # g++ 12 reports false positives inside std::string (GCC bug 105651).
  target_compile_options(ecf8_compile INTERFACE -Wno-restrict)
endif()
if(ECF8_SANITIZE)
  target_compile_options(ecf8_compile INTERFACE
    -fsanitize=${ECF8_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(ecf8_compile INTERFACE -fsanitize=${ECF8_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # g++ 12 reports false positives inside the standard library when it instruments.
    target_compile_options(ecf8_compile INTERFACE -Wno-maybe-uninitialized -Wno-stringop-overflow)
  endif()
endif()
# For what is waited for while it compiles, more than while it runs: tests, and all outside of decoder/ and
# loader/. No optimisation where Release does not ask for it.
set(ecf8_quick_compile $<$<CONFIG:Debug>:-O0>)
if(ECF8_BUILD_FUZZERS)
  target_compile_options(ecf8_compile INTERFACE -fsanitize=fuzzer-no-link)
endif()

# What becomes part of the client library: code that may be loaded anywhere, and is not seen outside.
function(ecf8_hide name)
  set_target_properties(${name} PROPERTIES
    POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
endfunction()

# ecf8_library(NAME SOURCES... [LINK LIBRARIES...] [PRECOMPILE HEADERS...]): a static library of the
# project. PRECOMPILE names the large third-party headers that most of its files include: they would
# take longer to compile than all of our own code.
function(ecf8_library name)
  cmake_parse_arguments(arg "" "" "LINK;PRECOMPILE" ${ARGN})
  add_library(${name} STATIC ${arg_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PUBLIC ecf8_compile ${arg_LINK})
  ecf8_hide(${name})
  if(arg_PRECOMPILE)
    target_precompile_headers(${name} PRIVATE ${arg_PRECOMPILE})
  endif()
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
