#include "loader/remote/http_fields.h"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "loader/base/strings.h"

namespace ecf8 {
namespace {

constexpr uint64_t kMaxNumber = uint64_t{1} << 62;
constexpr int64_t kMaxSeconds = int64_t{1} << 31;

// Takes a number of digits alone off the front of `text`.
std::optional<uint64_t> TakeNumber(std::string_view& text) {
  uint64_t number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number > kMaxNumber) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(rest - text.data()));
  return number;
}

bool Take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

std::string_view Stripped(std::string_view text) {
  return ToStd(absl::StripAsciiWhitespace(ToAbsl(text)));
}

}  // namespace

std::optional<ContentRange> ParseContentRange(std::string_view value) {
  value = Stripped(value);
  if (!Take(value, "bytes ")) return std::nullopt;
  const std::optional<uint64_t> first = TakeNumber(value);
  if (!first || !Take(value, "-")) return std::nullopt;
  const std::optional<uint64_t> last = TakeNumber(value);
  if (!last || !Take(value, "/")) return std::nullopt;
  const std::optional<uint64_t> total = TakeNumber(value);
  if (!total || !value.empty() || *first > *last || *last >= *total) return std::nullopt;
  return ContentRange{*first, *last - *first + 1, *total};
}

std::optional<int64_t> ParseRetryAfterMs(std::string_view value, const std::string& date) {
  value = Stripped(value);
  std::string_view rest = value;
  const std::optional<uint64_t> seconds = TakeNumber(rest);
  if (seconds && rest.empty()) {
    return static_cast<int64_t>(std::min<uint64_t>(*seconds, kMaxSeconds)) * 1000;
  }
  // One that no date is shorter than: curl takes "08:49:37" for one, today.
  constexpr size_t kMinDateBytes = 20;
  if (value.size() < kMinDateBytes || date.size() < kMinDateBytes) return std::nullopt;
  const time_t then = curl_getdate(std::string(value).c_str(), nullptr);
  const time_t now = curl_getdate(date.c_str(), nullptr);
  if (then < 0 || now < 0) return std::nullopt;
  return std::clamp<int64_t>(int64_t{then} - int64_t{now}, 0, kMaxSeconds) * 1000;
}

std::string NextLink(std::string_view value) {
  while (true) {
    const size_t begin = value.find('<');
    if (begin == std::string_view::npos) return "";
    value.remove_prefix(begin + 1);
    const size_t end = value.find('>');
    if (end == std::string_view::npos) return "";
    const std::string_view target = value.substr(0, end);
    value.remove_prefix(end + 1);
    const std::string_view parameters = value.substr(0, value.find('<'));
    if (parameters.find("rel=\"next\"") != std::string_view::npos) return std::string(target);
  }
}

}  // namespace ecf8
