// The native module of the Python package. Its functions are what the package's Python code needs,
// no more: docs/PYTHON.md is the interface.
#include <nanobind/nanobind.h>

#include "python/src/native/daemon.h"
#include "python/src/native/dequantize.h"
#include "python/src/native/files.h"

NB_MODULE(_native, module) {
  module.doc() = "ecf8's C++ code. Private: use the package ecf8.";
  ecf8::python::BindFiles(module);
  ecf8::python::BindDaemon(module);
  ecf8::python::BindDequantizer(module);
  ecf8::python::BindSessions(module);
}
