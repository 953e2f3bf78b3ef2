// FP8 matrices with scales as BF16 or F32, for Python.
#ifndef ECF8_PYTHON_SRC_NATIVE_DEQUANTIZE_H_
#define ECF8_PYTHON_SRC_NATIVE_DEQUANTIZE_H_

#include <nanobind/nanobind.h>

namespace ecf8::python {

void BindDequantizer(nanobind::module_& module);

}  // namespace ecf8::python

#endif  // ECF8_PYTHON_SRC_NATIVE_DEQUANTIZE_H_
