# Whether the parts that need CUDA are built: sets ECF8_HAVE_CUDA. AUTO builds them where there is a compiler for
# them. The programs need no driver to start.
set(ECF8_CUDA AUTO CACHE STRING "Build the CUDA decoder: AUTO (where nvcc is found), ON or OFF")
set_property(CACHE ECF8_CUDA PROPERTY STRINGS AUTO ON OFF)
set(ECF8_HAVE_CUDA OFF)
if(ECF8_CUDA STREQUAL "ON" OR (ECF8_CUDA STREQUAL "AUTO" AND NOT CMAKE_CROSSCOMPILING))
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    # Code for each generation; PTX for those to come.
    set(CMAKE_CUDA_ARCHITECTURES 80-real 90 100-real 120-real)
    enable_language(CUDA)
    # Debian's CMake 3.25 does not know that nvcc has C++20.
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
    set(ECF8_HAVE_CUDA ON)
  elseif(ECF8_CUDA STREQUAL "ON")
    message(FATAL_ERROR "ECF8_CUDA is ON and there is no working nvcc: put CUDA 13.0 on the PATH, or set ECF8_CUDA=AUTO")
  endif()
endif()

# Whether gpu_bundle can be made: it has the GPU tests in it, and of a debug build it would be too large.
set(ECF8_HAVE_GPU_BUNDLE OFF)
if(ECF8_HAVE_CUDA AND ECF8_BUILD_TESTS AND CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT ECF8_SANITIZE)
  set(ECF8_HAVE_GPU_BUNDLE ON)
endif()

# ecf8_cuda_library(NAME SOURCES...): a static library of .cu files. Our warnings are g++'s and clang's, not nvcc's.
function(ecf8_cuda_library name)
  add_library(${name} STATIC ${ARGN})
  target_include_directories(${name} PUBLIC "${CMAKE_SOURCE_DIR}")
  target_compile_options(${name} PRIVATE "SHELL:-Werror all-warnings")
  set_target_properties(${name} PROPERTIES CUDA_RUNTIME_LIBRARY Static)
endfunction()
