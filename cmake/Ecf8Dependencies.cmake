# Every third-party library of the project, by its Debian 12 package. Nothing is downloaded.

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(absl REQUIRED)                                  # libabsl-dev
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash) # libxxhash-dev
if(ECF8_BUILD_TESTS)
  find_package(GTest REQUIRED)                               # libgtest-dev, libgmock-dev
endif()
if(ECF8_DECODER_ONLY)
  return()
endif()
find_package(nlohmann_json 3.11 REQUIRED)                    # nlohmann-json3-dev
find_package(CLI11 REQUIRED)                                 # libcli11-dev
find_package(spdlog REQUIRED)                                # libspdlog-dev
find_package(Protobuf REQUIRED)                              # libprotobuf-dev, protobuf-compiler
find_package(OpenSSL 3.0 REQUIRED)                             # libssl-dev
find_package(CURL 7.88 REQUIRED)                               # libcurl4-openssl-dev
find_package(ZLIB REQUIRED)                                  # zlib1g-dev
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)     # libzstd-dev
pkg_check_modules(GRPCXX REQUIRED IMPORTED_TARGET grpc++)    # libgrpc++-dev
find_library(GRPCXX_REFLECTION grpc++_reflection REQUIRED)      # libgrpc++-dev, which has no .pc for it
find_package(prometheus-cpp REQUIRED)                          # prometheus-cpp-dev
pkg_check_modules(TOMLPLUSPLUS REQUIRED IMPORTED_TARGET tomlplusplus)  # libtomlplusplus-dev
pkg_check_modules(URING REQUIRED IMPORTED_TARGET liburing)     # liburing-dev
pkg_check_modules(NUMA REQUIRED IMPORTED_TARGET numa)          # libnuma-dev
find_program(GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)       # protobuf-compiler-grpc
