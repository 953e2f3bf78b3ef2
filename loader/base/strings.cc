#include "loader/base/strings.h"

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdio>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"

namespace ecf8 {
namespace {

// The length of the well-formed UTF-8 sequence that `text` begins with, or 0.
size_t Utf8SequenceLength(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  size_t length = 0;
  // The narrower range of the second byte keeps out overlong forms, surrogates and > U+10FFFF.
  uint8_t low = 0x80;
  uint8_t high = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  }
  if (length == 0 || text.size() < length) return 0;
  if (byte(1) < low || byte(1) > high) return 0;
  for (size_t i = 2; i < length; ++i) {
    if (byte(i) < 0x80 || byte(i) > 0xBF) return 0;
  }
  return length;
}

// C1 controls (U+0080 to U+009F) steer terminals just as those below U+0020 do.
bool IsControl(std::string_view sequence) {
  const auto lead = static_cast<uint8_t>(sequence[0]);
  return lead < 0x20 || lead == 0x7F ||
         (sequence.size() == 2 && lead == 0xC2 && static_cast<uint8_t>(sequence[1]) < 0xA0);
}

}  // namespace

absl::Status AddContext(const absl::Status& status, std::string_view prefix) {
  if (status.ok()) return status;
  absl::Status result(status.code(), absl::StrCat(ToAbsl(prefix), ": ", status.message()));
  status.ForEachPayload([&result](absl::string_view type_url, const absl::Cord& payload) {
    result.SetPayload(type_url, payload);
  });
  return result;
}

std::string FormatBytes(uint64_t bytes) {
  static constexpr std::array<const char*, 6> kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return absl::StrCat(bytes, " B");
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  // 1023.995 would be printed as 1024.00.
  while (value >= 1023.995 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.2f %s", value, kUnits[unit]);
  return text.data();
}

std::optional<uint64_t> ParseByteSize(std::string_view text) {
  uint64_t count = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, count);
  if (error != std::errc()) return std::nullopt;
  std::string_view suffix(rest, static_cast<size_t>(end - rest));
  if (suffix.size() > 1 && suffix.front() == ' ') suffix.remove_prefix(1);
  uint64_t unit = 1;
  if (!suffix.empty() && suffix != "B") {
    const size_t power = std::string_view("KMGT").find(suffix.front());
    const std::string_view base = suffix.substr(1);
    if (power == std::string_view::npos || (base != "iB" && base != "B")) return std::nullopt;
    for (size_t i = 0; i <= power; ++i) unit *= base == "iB" ? 1024 : 1000;
  }
  if (count > static_cast<uint64_t>(INT64_MAX) / unit) return std::nullopt;
  return count * unit;
}

std::optional<uint64_t> ParseHex64(std::string_view text) {
  constexpr size_t kDigits = 16;
  uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number, 16);
  if (text.size() != kDigits || error != std::errc() || rest != end) return std::nullopt;
  return number;
}

bool IsValidUtf8(std::string_view text) {
  while (!text.empty()) {
    const size_t length = Utf8SequenceLength(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string Quoted(std::string_view text, size_t max_bytes) {
  std::string quoted = "\"";
  const size_t size_bytes = text.size();
  while (!text.empty()) {
    const size_t length = Utf8SequenceLength(text);
    const std::string_view sequence = text.substr(0, length == 0 ? 1 : length);
    if (size_bytes - text.size() + sequence.size() > max_bytes) {
      quoted += "...";
      break;
    }
    if (length == 0 || IsControl(sequence)) {
      for (const char c : sequence) {
        absl::StrAppend(&quoted, "\\x", absl::Hex(static_cast<uint8_t>(c), absl::kZeroPad2));
      }
    } else {
      if (sequence == "\"" || sequence == "\\") quoted += '\\';
      quoted += sequence;
    }
    text.remove_prefix(sequence.size());
  }
  quoted += '"';
  return quoted;
}

}  // namespace ecf8
