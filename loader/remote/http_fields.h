// Header fields of answers that decide something. Input is untrusted.
#ifndef ECF8_LOADER_REMOTE_HTTP_FIELDS_H_
#define ECF8_LOADER_REMOTE_HTTP_FIELDS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ecf8 {

// Of "bytes 100-199/5000": the range that was sent, and the size of the whole.
struct ContentRange {
  uint64_t offset_bytes = 0;
  uint64_t size_bytes = 0;  // never 0
  uint64_t total_bytes = 0;

  bool operator==(const ContentRange&) const = default;
};

// nullopt for anything else, an unknown size ("*") included, and where the range is not within it
// or a number is above 2^62.
std::optional<ContentRange> ParseContentRange(std::string_view value);

// Retry-After: a number of seconds, or a date, which is compared with the answer's own `date` (its
// Date field, empty where it has none), so that no clock needs to be right. At most 2^31 s;
// nullopt for what is neither, or a date without another.
std::optional<int64_t> ParseRetryAfterMs(std::string_view value, const std::string& date);

// The target of the link with rel="next" of a Link field; empty where it has none.
std::string NextLink(std::string_view value);

}  // namespace ecf8

#endif  // ECF8_LOADER_REMOTE_HTTP_FIELDS_H_
