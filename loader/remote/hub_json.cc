#include "loader/remote/hub_json.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/checkpoint/strict_json.h"
#include "loader/model/manifest_checks.h"
#include "loader/remote/any_json.h"

namespace ecf8 {
namespace {

class CommitEvents final : public AnyEvents {
 public:
  absl::Status String(std::string&& value) override {
    if (depth() == 1 && key() == "sha") commit = std::move(value);
    return absl::OkStatus();
  }

  std::string commit;
};

// Of {"tree": [{"type": "file", "path": "a", ...}, ...]}.
class TreeEvents final : public AnyEvents {
 public:
  static constexpr int kEntryDepth = 3;

  absl::Status Key(std::string&& key) override {
    // What follows the list is not the object that was put around it.
    if (depth() == 1 && std::exchange(has_list_, true)) return Unexpected("more than a list");
    return AnyEvents::Key(std::move(key));
  }
  absl::Status BeginObject() override {
    if (depth() + 1 == kEntryDepth) path_ = type_ = "";
    if (depth() == 1) return Unexpected("an object");
    return AnyEvents::BeginObject();
  }
  absl::Status EndObject() override {
    if (depth() == kEntryDepth && type_ == "file") {
      if (!IsSafeRelativePath(path_)) {
        return absl::InvalidArgumentError(absl::StrCat(Quoted(path_), " is no path"));
      }
      paths.push_back(std::move(path_));
    }
    return AnyEvents::EndObject();
  }
  absl::Status String(std::string&& value) override {
    if (depth() == kEntryDepth && key() == "path") path_ = std::move(value);
    if (depth() == kEntryDepth && key() == "type") type_ = std::move(value);
    return absl::OkStatus();
  }

  std::vector<std::string> paths;

 private:
  bool has_list_ = false;
  std::string path_;
  std::string type_;
};

}  // namespace

absl::StatusOr<std::string> ParseHubCommit(std::string_view json) {
  constexpr size_t kCommitDigits = 40;
  CommitEvents events;
  ECF8_RETURN_IF_ERROR(ParseStrictJson(json, events));
  const bool valid = events.commit.size() == kCommitDigits &&
                     std::all_of(events.commit.begin(), events.commit.end(), [](char c) {
                       return absl::ascii_isxdigit(static_cast<unsigned char>(c));
                     });
  if (valid) return std::move(events.commit);
  return absl::InvalidArgumentError(
      absl::StrCat("the commit ", Quoted(events.commit, 100), " is none"));
}

absl::StatusOr<std::vector<std::string>> ParseHubTree(std::string_view json) {
  TreeEvents events;
  // The list is the whole answer, and what is parsed is an object.
  ECF8_RETURN_IF_ERROR(ParseStrictJson(absl::StrCat("{\"tree\":", ToAbsl(json), "}"), events));
  return std::move(events.paths);
}

}  // namespace ecf8
