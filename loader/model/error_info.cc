#include "loader/model/error_info.h"

#include <charconv>
#include <string_view>
#include <utility>

#include "absl/strings/cord.h"

namespace ecf8 {
namespace {

constexpr char kPayload[] = "ecf8/error_info";

// The payload: the fields in order, each as "<length>:<bytes>".
void AppendField(std::string_view field, std::string* text) {
  *text += std::to_string(field.size());
  *text += ':';
  *text += field;
}

// Takes one field off the front of `text`; nullopt where there is none.
std::optional<std::string> TakeField(std::string_view* text) {
  size_t length = 0;
  const char* const end = text->data() + text->size();
  const auto [colon, error] = std::from_chars(text->data(), end, length);
  if (error != std::errc() || colon == end || *colon != ':') return std::nullopt;
  text->remove_prefix(static_cast<size_t>(colon + 1 - text->data()));
  if (length > text->size()) return std::nullopt;
  std::string field(text->substr(0, length));
  text->remove_prefix(length);
  return field;
}

template <typename Number>
std::optional<Number> TakeNumber(std::string_view* text) {
  const std::optional<std::string> field = TakeField(text);
  if (!field) return std::nullopt;
  Number number = 0;
  const char* const end = field->data() + field->size();
  const auto [rest, error] = std::from_chars(field->data(), end, number);
  if (error != std::errc() || rest != end) return std::nullopt;
  return number;
}

}  // namespace

absl::Status WithErrorInfo(absl::Status status, const ErrorInfo& info) {
  if (status.ok()) return status;
  std::string text;
  AppendField(std::to_string(static_cast<unsigned>(info.reason)), &text);
  AppendField(info.model, &text);
  AppendField(info.unit, &text);
  AppendField(info.tensor, &text);
  AppendField(info.shard, &text);
  AppendField(std::to_string(info.offset_bytes), &text);
  AppendField(std::to_string(info.shortfall_bytes), &text);
  AppendField(info.holder, &text);
  status.SetPayload(kPayload, absl::Cord(std::move(text)));
  return status;
}

std::optional<ErrorInfo> GetErrorInfo(const absl::Status& status) {
  const auto payload = status.GetPayload(kPayload);
  if (!payload) return std::nullopt;
  const std::string bytes(*payload);
  std::string_view text = bytes;
  const auto reason = TakeNumber<uint8_t>(&text);
  auto model = TakeField(&text);
  auto unit = TakeField(&text);
  auto tensor = TakeField(&text);
  auto shard = TakeField(&text);
  const auto offset = TakeNumber<uint64_t>(&text);
  const auto shortfall = TakeNumber<uint64_t>(&text);
  auto holder = TakeField(&text);
  if (!reason || !model || !unit || !tensor || !shard || !offset || !shortfall || !holder) {
    return std::nullopt;
  }
  if (*reason > static_cast<uint8_t>(ErrorReason::kBudgetTooSmall)) return std::nullopt;
  return ErrorInfo{static_cast<ErrorReason>(*reason),
                   *std::move(model),
                   *std::move(unit),
                   *std::move(tensor),
                   *std::move(shard),
                   *offset,
                   *shortfall,
                   *std::move(holder)};
}

}  // namespace ecf8
