// Small helpers for text: Abseil's other string_view, context for errors, sizes for people.
#ifndef ECF8_LOADER_BASE_STRINGS_H_
#define ECF8_LOADER_BASE_STRINGS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace ecf8 {

// Debian's Abseil is built as C++14: its string_view is a class of its own, and StrCat, Status and
// their kin take only that one. Public headers of ours use std's.
inline absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view ToStd(absl::string_view text) { return {text.data(), text.size()}; }

// `status` with "<prefix>: " before its message; code and payloads stay. OK stays OK.
absl::Status AddContext(const absl::Status& status, std::string_view prefix);

// "0 B", "1023 B", "1.00 KiB", "4.66 GiB": two decimals, rounded, in powers of 1024 up to EiB.
std::string FormatBytes(uint64_t bytes);

// "1048576", "4GiB", "4 GB": a whole number of bytes, or of KiB, MiB, GiB, TiB (powers of 1024), or
// of KB, MB, GB, TB (powers of 1000). nullopt for anything else and beyond 2^63-1.
std::optional<uint64_t> ParseByteSize(std::string_view text);

// A number of exactly 16 hex digits, as digests are written. nullopt for anything else.
std::optional<uint64_t> ParseHex64(std::string_view text);

bool IsValidUtf8(std::string_view text);

// `text` for a message: in double quotes, with control characters, quotes, backslashes and bytes
// that are not UTF-8 escaped, cut with "..." after `max_bytes` bytes. Names of tensors and files
// come from strangers and must not break a line of a log or a terminal.
std::string Quoted(std::string_view text, size_t max_bytes = 200);

}  // namespace ecf8

#endif  // ECF8_LOADER_BASE_STRINGS_H_
