// JSON of strangers, read as events: no tree is built, nothing recurses, nothing throws.
#ifndef ECF8_LOADER_CHECKPOINT_STRICT_JSON_H_
#define ECF8_LOADER_CHECKPOINT_STRICT_JSON_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace ecf8 {

inline constexpr int kMaxJsonDepth = 64;

// Receives a document's events in order. Any error ends the parse. By default everything but the
// ends is an error, so that a handler says only what it accepts.
class JsonEvents {
 public:
  virtual ~JsonEvents() = default;

  virtual absl::Status BeginObject() { return Unexpected("an object"); }
  virtual absl::Status EndObject() { return absl::OkStatus(); }
  virtual absl::Status BeginArray() { return Unexpected("an array"); }
  virtual absl::Status EndArray() { return absl::OkStatus(); }
  virtual absl::Status Key(std::string&& /*key*/) { return absl::OkStatus(); }
  virtual absl::Status String(std::string&& /*value*/) { return Unexpected("a string"); }
  // A number without sign, fraction and exponent that fits.
  virtual absl::Status Unsigned(uint64_t /*value*/) { return Unexpected("a number"); }
  // Any other value: "null", "a boolean", "a negative number", "a fraction or too large a number".
  virtual absl::Status Other(std::string_view what) { return Unexpected(what); }

 protected:
  // INVALID_ARGUMENT "unexpected <what>", with where it is as the handler knows it.
  virtual absl::Status Unexpected(std::string_view what) const;
};

// Parses one JSON object. INVALID_ARGUMENT, with the byte's position, where `text` is not exactly
// that: it begins with '{', is valid UTF-8, holds no NUL, nests at most kMaxJsonDepth deep, and
// nothing but white space follows. Else the first error that `events` returned.
absl::Status ParseStrictJson(std::string_view text, JsonEvents& events);

// `text` as a JSON string, quotes included. Bytes that are not UTF-8 become U+FFFD.
std::string JsonQuoted(std::string_view text);

}  // namespace ecf8

#endif  // ECF8_LOADER_CHECKPOINT_STRICT_JSON_H_
