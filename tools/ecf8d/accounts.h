// Users and groups of this machine, by name or number.
#ifndef ECF8_TOOLS_ECF8D_ACCOUNTS_H_
#define ECF8_TOOLS_ECF8D_ACCOUNTS_H_

#include <sys/types.h>

#include <string>

#include "absl/status/statusor.h"

namespace ecf8 {

// INVALID_ARGUMENT for a name that the system does not know, and that is no number.
absl::StatusOr<uid_t> FindUser(const std::string& name);
absl::StatusOr<gid_t> FindGroup(const std::string& name);

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8D_ACCOUNTS_H_
