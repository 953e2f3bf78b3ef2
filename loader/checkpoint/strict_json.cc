#include "loader/checkpoint/strict_json.h"

#include <cstddef>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "loader/base/strings.h"

namespace ecf8 {
namespace {

using nlohmann::json;

// Turns nlohmann's callbacks, which say yes or no, into events that return a Status.
class SaxAdapter final : public nlohmann::json_sax<json> {
 public:
  explicit SaxAdapter(JsonEvents& events) : events_(events) {}

  const absl::Status& status() const { return status_; }

  bool null() override { return Pass(events_.Other("null")); }
  bool boolean(bool) override { return Pass(events_.Other("a boolean")); }
  bool number_integer(number_integer_t) override {
    return Pass(events_.Other("a negative number"));
  }
  bool number_unsigned(number_unsigned_t value) override { return Pass(events_.Unsigned(value)); }
  bool number_float(number_float_t, const string_t&) override {
    return Pass(events_.Other("a fraction or too large a number"));
  }
  bool string(string_t& value) override { return Pass(events_.String(std::move(value))); }
  bool binary(binary_t&) override { return Pass(absl::InternalError("JSON has no binary")); }
  bool start_object(size_t) override { return Enter() && Pass(events_.BeginObject()); }
  bool key(string_t& value) override { return Pass(events_.Key(std::move(value))); }
  bool end_object() override { return Leave() && Pass(events_.EndObject()); }
  bool start_array(size_t) override { return Enter() && Pass(events_.BeginArray()); }
  bool end_array() override { return Leave() && Pass(events_.EndArray()); }
  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    // The exception's own text quotes the input, which may be long and is not ours.
    return Pass(absl::InvalidArgumentError(absl::StrCat("no valid JSON at byte ", position)));
  }

 private:
  bool Enter() {
    if (++depth_ <= kMaxJsonDepth) return true;
    return Pass(absl::InvalidArgumentError(
        absl::StrCat("JSON nested deeper than ", kMaxJsonDepth, " levels")));
  }
  bool Leave() {
    --depth_;
    return true;
  }
  bool Pass(absl::Status status) {
    if (status.ok()) return true;
    status_ = std::move(status);
    return false;
  }

  JsonEvents& events_;
  absl::Status status_;
  int depth_ = 0;
};

}  // namespace

absl::Status JsonEvents::Unexpected(std::string_view what) const {
  return absl::InvalidArgumentError(absl::StrCat("unexpected ", ToAbsl(what)));
}

absl::Status ParseStrictJson(std::string_view text, JsonEvents& events) {
  // nlohmann skips a byte order mark and white space first, and takes a NUL for the end of the
  // input: neither is the format's.
  if (!text.starts_with('{')) return absl::InvalidArgumentError("JSON that does not begin with {");
  if (const size_t nul = text.find('\0'); nul != std::string_view::npos) {
    return absl::InvalidArgumentError(absl::StrCat("no valid JSON at byte ", nul + 1, ": a NUL"));
  }
  SaxAdapter adapter(events);
  const bool parsed = json::sax_parse(text.begin(), text.end(), &adapter);
  if (!parsed && adapter.status().ok()) return absl::InvalidArgumentError("no valid JSON");
  return adapter.status();
}

std::string JsonQuoted(std::string_view text) {
  return json(text).dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace ecf8
