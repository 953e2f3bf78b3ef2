// The process's environment.
#ifndef ECF8_LOADER_BASE_ENVIRONMENT_H_
#define ECF8_LOADER_BASE_ENVIRONMENT_H_

#include <cstdlib>
#include <string>

namespace ecf8 {

// The value of a variable; empty where there is none. Not while another thread sets one.
inline std::string Environment(const std::string& name) {
  const char* const value = std::getenv(name.c_str());
  return value != nullptr ? value : "";
}

}  // namespace ecf8

#endif  // ECF8_LOADER_BASE_ENVIRONMENT_H_
