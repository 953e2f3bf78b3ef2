#include "loader/remote/aws_answers.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/remote/any_json.h"

namespace ecf8 {
namespace {

constexpr size_t kMaxKeyBytes = 128;
constexpr size_t kMaxSessionTokenBytes = 16 * 1024;

bool IsGraph(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return absl::ascii_isgraph(static_cast<unsigned char>(c)); });
}

// Fit for headers.
absl::StatusOr<AwsKey> Checked(AwsKey key) {
  for (const std::string* const part : {&key.id, &key.secret}) {
    if (part->empty() || part->size() > kMaxKeyBytes || !IsGraph(*part)) {
      return absl::InvalidArgumentError("there is no key in the answer");
    }
  }
  if (key.session_token.size() > kMaxSessionTokenBytes || !IsGraph(key.session_token)) {
    return absl::InvalidArgumentError("the key's token is none");
  }
  return key;
}

class KeyEvents final : public AnyEvents {
 public:
  absl::Status String(std::string&& value) override {
    if (depth() != 1) return absl::OkStatus();
    if (key() == "AccessKeyId") found.id = std::move(value);
    if (key() == "SecretAccessKey") found.secret = std::move(value);
    if (key() == "Token") found.session_token = std::move(value);
    return absl::OkStatus();
  }

  AwsKey found;
};

}  // namespace

absl::StatusOr<AwsKey> ParseAwsKeyJson(std::string_view json) {
  KeyEvents events;
  // Its own message might hold a piece of it.
  if (!ParseStrictJson(json, events).ok()) {
    return absl::InvalidArgumentError("the answer is not JSON");
  }
  return Checked(std::move(events.found));
}

std::string XmlText(std::string_view xml, std::string_view name) {
  const std::string begin = absl::StrCat("<", ToAbsl(name), ">");
  const std::string end = absl::StrCat("</", ToAbsl(name), ">");
  const size_t from = xml.find(begin);
  if (from == std::string_view::npos) return "";
  xml.remove_prefix(from + begin.size());
  const size_t to = xml.find('<');
  if (to == std::string_view::npos || !xml.substr(to).starts_with(end)) return "";
  return absl::StrReplaceAll(
      ToAbsl(xml.substr(0, to)),
      {{"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&apos;", "'"}, {"&amp;", "&"}});
}

absl::StatusOr<AwsKey> ParseAwsKeyXml(std::string_view xml) {
  return Checked({.region = {},
                  .id = XmlText(xml, "AccessKeyId"),
                  .secret = XmlText(xml, "SecretAccessKey"),
                  .session_token = XmlText(xml, "SessionToken")});
}

std::string AwsSection::Get(const std::string& name) const {
  const auto found = settings.find(name);
  return found == settings.end() ? "" : found->second;
}

AwsSection ParseAwsSection(std::string_view file, std::string_view section) {
  AwsSection parsed;
  bool inside = false;
  for (const absl::string_view line : absl::StrSplit(ToAbsl(file), '\n')) {
    const absl::string_view text = absl::StripAsciiWhitespace(line);
    if (text.empty() || text.front() == '#' || text.front() == ';') continue;
    if (text.front() == '[') {
      const absl::string_view name =
          absl::StripAsciiWhitespace(absl::StripSuffix(absl::StripPrefix(text, "["), "]"));
      inside = ToStd(name) == section;
      parsed.exists |= inside;
      continue;
    }
    const size_t equals = text.find('=');
    // An indented line belongs to the setting before it.
    if (!inside || equals == absl::string_view::npos || absl::ascii_isspace(line.front())) continue;
    const std::string name =
        absl::AsciiStrToLower(absl::StripAsciiWhitespace(text.substr(0, equals)));
    parsed.settings[name] = std::string(absl::StripAsciiWhitespace(text.substr(equals + 1)));
  }
  return parsed;
}

}  // namespace ecf8
