#include "loader/analysis/weight_source.h"

#include <filesystem>
#include <system_error>

namespace ecf8 {

absl::StatusOr<std::unique_ptr<WeightSource>> WeightSource::Open(const std::string& path) {
  std::error_code ignored;  // what cannot be looked at, OpenPlainSource explains
  if (std::filesystem::is_directory(path, ignored)) {
    absl::StatusOr<std::unique_ptr<WeightSource>> compressed = OpenCompressedSource(path);
    if (!absl::IsNotFound(compressed.status())) return compressed;
  }
  return OpenPlainSource(path);
}

}  // namespace ecf8
