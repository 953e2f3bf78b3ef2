#include "loader/engine/residency.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "loader/base/strings.h"

namespace ecf8 {
namespace {

constexpr size_t kMaxNamedModels = 3;

}  // namespace

std::string HoldersText(const MemoryHolders& holders,
                        const std::function<std::string(uint32_t model)>& model_name) {
  std::vector<std::pair<uint64_t, uint32_t>> models;
  for (const auto& [model, bytes] : holders.pinned_bytes) {
    if (bytes > 0) models.emplace_back(bytes, model);
  }
  std::sort(models.rbegin(), models.rend());
  std::vector<std::string> texts;
  uint64_t other_bytes = 0;
  for (size_t i = 0; i < models.size(); ++i) {
    const auto& [bytes, model] = models[i];
    if (i >= kMaxNamedModels) {
      other_bytes += bytes;
    } else {
      texts.push_back(
          absl::StrCat("pins of model ", Quoted(model_name(model)), ", ", FormatBytes(bytes)));
    }
  }
  if (other_bytes > 0) {
    texts.push_back(absl::StrCat("pins of other models, ", FormatBytes(other_bytes)));
  }
  if (holders.session_bytes > 0) {
    texts.push_back(absl::StrCat("sessions' grants, ", FormatBytes(holders.session_bytes)));
  }
  if (holders.room_bytes > 0) {
    texts.push_back(absl::StrCat("room for the largest unit, ", FormatBytes(holders.room_bytes)));
  }
  return absl::StrJoin(texts, "; ");
}

}  // namespace ecf8
