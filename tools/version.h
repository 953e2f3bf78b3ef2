// The version that both programs report: CMake's PROJECT_VERSION.
#ifndef ECF8_TOOLS_VERSION_H_
#define ECF8_TOOLS_VERSION_H_

#include <string_view>

namespace ecf8 {

inline constexpr std::string_view kVersion = ECF8_VERSION;

}  // namespace ecf8

#endif  // ECF8_TOOLS_VERSION_H_
