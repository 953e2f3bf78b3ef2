#include "tools/ecf8/command.h"

#include <cstdio>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"

namespace ecf8 {
namespace {

// Marks the Status; its content says nothing more.
constexpr char kUsagePayload[] = "ecf8/usage";

}  // namespace

absl::Status UsageError(std::string_view message) {
  absl::Status status =
      absl::InvalidArgumentError(absl::string_view(message.data(), message.size()));
  status.SetPayload(kUsagePayload, absl::Cord());
  return status;
}

bool IsUsageError(const absl::Status& status) {
  return status.GetPayload(kUsagePayload).has_value();
}

void PrintJson(const nlohmann::ordered_json& document) {
  const std::string text =
      document.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fputc('\n', stdout);
}

}  // namespace ecf8
