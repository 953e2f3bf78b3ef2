// A daemon's models, memory and sessions, for Python.
#ifndef ECF8_PYTHON_SRC_NATIVE_DAEMON_H_
#define ECF8_PYTHON_SRC_NATIVE_DAEMON_H_

#include <nanobind/nanobind.h>

namespace ecf8::python {

void BindDaemon(nanobind::module_& module);
void BindSessions(nanobind::module_& module);

}  // namespace ecf8::python

#endif  // ECF8_PYTHON_SRC_NATIVE_DAEMON_H_
