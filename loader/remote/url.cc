#include "loader/remote/url.h"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "loader/base/strings.h"

namespace ecf8 {
namespace {

constexpr size_t kMaxUrlBytes = 16 * 1024;  // signed ones are long

struct UrlDeleter {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};

// A part of a URL; empty where it has none.
std::string Part(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return "";
  std::string copy = text;
  curl_free(text);
  return copy;
}

// Whether `text` is four numbers of 0 to 255, the first of them 127.
bool IsLoopbackAddress(std::string_view text) {
  for (int i = 0; i < 4; ++i) {
    unsigned number = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || number > 255 || (i == 0 && number != 127)) return false;
    text.remove_prefix(static_cast<size_t>(rest - text.data()));
    if (i == 3) return text.empty();
    if (!text.starts_with('.')) return false;
    text.remove_prefix(1);
  }
  return false;
}

}  // namespace

bool Url::is_loopback() const {
  return host == "localhost" || host == "[::1]" || IsLoopbackAddress(host);
}

std::string Url::text() const { return absl::StrCat(shown(), query.empty() ? "" : "?", query); }

std::string Url::shown() const {
  const bool usual = port == (is_encrypted() ? 443 : 80);
  return absl::StrCat(scheme, "://", host, usual ? "" : absl::StrCat(":", port), path);
}

absl::StatusOr<Url> ParseUrl(std::string_view text) {
  const auto bad = [text](std::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat(Quoted(text.substr(0, text.find('?'))), " is no URL: ", ToAbsl(why)));
  };
  const std::unique_ptr<CURLU, UrlDeleter> parsed(curl_url());
  if (!parsed) return absl::ResourceExhaustedError("no memory for a URL");
  if (text.size() > kMaxUrlBytes || text.find('\0') != std::string_view::npos)
    return bad("its length");
  const CURLUcode code = curl_url_set(parsed.get(), CURLUPART_URL, std::string(text).c_str(), 0);
  if (code != CURLUE_OK) return bad(curl_url_strerror(code));
  if (!Part(parsed.get(), CURLUPART_USER).empty() ||
      !Part(parsed.get(), CURLUPART_PASSWORD).empty()) {
    return absl::InvalidArgumentError("a URL with a user or password in it is not taken");
  }
  Url url;
  url.scheme = absl::AsciiStrToLower(Part(parsed.get(), CURLUPART_SCHEME));
  if (url.scheme != "http" && url.scheme != "https") return bad("neither http nor https");
  url.host = absl::AsciiStrToLower(Part(parsed.get(), CURLUPART_HOST));
  url.path = Part(parsed.get(), CURLUPART_PATH);
  url.query = Part(parsed.get(), CURLUPART_QUERY);
  const std::string port = Part(parsed.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
  const auto number = std::from_chars(port.data(), port.data() + port.size(), url.port);
  if (number.ec != std::errc() || url.port == 0) return bad("its port");
  if (url.host.empty()) return bad("no host");
  return url;
}

std::string UrlEncoded(std::string_view text, bool is_path) {
  std::string encoded;
  for (const char c : text) {
    if (absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
        std::string_view("-._~").find(c) != std::string_view::npos || (is_path && c == '/')) {
      encoded += c;
    } else {
      absl::StrAppend(
          &encoded, "%",
          absl::AsciiStrToUpper(absl::StrCat(absl::Hex(static_cast<uint8_t>(c), absl::kZeroPad2))));
    }
  }
  return encoded;
}

}  // namespace ecf8
