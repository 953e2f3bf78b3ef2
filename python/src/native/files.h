// Compressed models on disk, for Python.
#ifndef ECF8_PYTHON_SRC_NATIVE_FILES_H_
#define ECF8_PYTHON_SRC_NATIVE_FILES_H_

#include <nanobind/nanobind.h>

namespace ecf8::python {

void BindFiles(nanobind::module_& module);

}  // namespace ecf8::python

#endif  // ECF8_PYTHON_SRC_NATIVE_FILES_H_
