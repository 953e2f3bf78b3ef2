// Any bytes as what a server answers: fields, lists of files, keys, the answer as a whole; and as
// addresses.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "loader/checkpoint/weight_index.h"
#include "loader/model/manifest_checks.h"
#include "loader/remote/aws_answers.h"
#include "loader/remote/http_answer.h"
#include "loader/remote/http_fields.h"
#include "loader/remote/hub_json.h"
#include "loader/remote/hub_layout.h"
#include "loader/remote/s3_layout.h"
#include "loader/remote/web_layout.h"

namespace {

void Check(bool holds) {
  if (!holds) abort();
}

void CheckFields(std::string_view text) {
  if (const auto range = ecf8::ParseContentRange(text)) {
    Check(range->size_bytes > 0 && range->offset_bytes < range->total_bytes &&
          range->size_bytes <= range->total_bytes - range->offset_bytes);
    // What passes for the part that was asked for is that part.
    const ecf8::HttpRange wanted = {.offset_bytes = 7, .size_bytes = 5};
    const ecf8::HttpAnswer answer = {
        .code = 206, .content_range = std::string(text), .body_bytes = 5};
    const bool done = ecf8::Judge(answer, wanted).kind == ecf8::HttpJudgement::Kind::kDone;
    Check(done == (range->offset_bytes == 7 && range->size_bytes == 5));
  }
  const auto delay_ms = ecf8::ParseRetryAfterMs(text, "Sun, 06 Nov 1994 08:49:37 GMT");
  Check(!delay_ms || *delay_ms >= 0);
  Check(ecf8::NextLink(text).size() <= text.size());
}

void CheckUrls(std::string_view text) {
  if (const auto url = ecf8::ParseUrl(text); url.ok()) {
    const auto again = ecf8::ParseUrl(url->text());
    Check(again.ok() && again->HasOriginOf(*url) && again->text() == url->text());
    Check(url->text().find_first_of(" \r\n") == std::string::npos);
  }
  if (const auto hub = ecf8::ParseHubAddress(text); hub.ok()) {
    Check(hub->repository.find("..") == std::string::npos || hub->repository.size() > 2);
  }
}

void CheckAwsKeys(std::string_view text) {
  for (const auto& key : {ecf8::ParseAwsKeyJson(text), ecf8::ParseAwsKeyXml(text)}) {
    if (!key.ok()) continue;
    Check(!key->id.empty() && !key->secret.empty());
    for (const std::string* const part : {&key->id, &key->secret, &key->session_token}) {
      Check(part->find_first_of(" \r\n") == std::string::npos);
    }
  }
  Check(ecf8::XmlText(text, "Code").find('\0') == std::string::npos ||
        text.find('\0') != std::string_view::npos);
  static_cast<void>(ecf8::ParseAwsSection(text, "default"));
  if (const auto address = ecf8::ParseS3Address(text); address.ok()) {
    const auto url = ecf8::ParseUrl(ecf8::S3Url(*address, "http://127.0.0.1:1", "r"));
    // A path is no way out of the bucket.
    Check(url.ok() && std::string_view(url->path).starts_with("/" + address->bucket + "/") &&
          url->query.empty());
  }
}

void CheckLists(std::string_view text) {
  if (const auto shards = ecf8::ShardsOfIndex(text); shards.ok()) {
    for (const std::string& shard : *shards) Check(ecf8::IsShardName(shard));
  }
  if (const auto paths = ecf8::ParseHubTree(text); paths.ok()) {
    for (const std::string& path : *paths) Check(ecf8::IsSafeRelativePath(path));
  }
  if (const auto commit = ecf8::ParseHubCommit(text); commit.ok()) Check(commit->size() == 40);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  CheckFields(text);
  CheckUrls(text);
  CheckLists(text);
  CheckAwsKeys(text);
  return 0;
}
