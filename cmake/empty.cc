// CMake wants a source file for the library that carries the precompiled test headers.
