// What must hold of a manifest before anything in it is used. docs/FORMAT.md, section 7.
#ifndef ECF8_LOADER_MODEL_MANIFEST_CHECKS_H_
#define ECF8_LOADER_MODEL_MANIFEST_CHECKS_H_

#include <string_view>

#include "absl/status/status.h"
#include "loader/model/manifest.h"

namespace ecf8 {

// DATA_LOSS naming unit and tensor. Derived members are not looked at, and may be computed without
// overflow once this has succeeded.
absl::Status CheckPiece(const Piece& piece);
absl::Status CheckTableSets(const Unit& unit);

// Everything else, of a manifest whose pieces and table sets have passed and whose units are
// derived.
absl::Status CheckManifest(const Manifest& manifest);

// Whether `path` is relative, stays below its directory, and has no empty component.
bool IsSafeRelativePath(std::string_view path);

}  // namespace ecf8

#endif  // ECF8_LOADER_MODEL_MANIFEST_CHECKS_H_
