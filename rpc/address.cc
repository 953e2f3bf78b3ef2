#include "rpc/address.h"

#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>

#include "loader/base/strings.h"

namespace ecf8 {
namespace {

constexpr std::string_view kUnixPrefix = "unix:";
constexpr std::string_view kTlsPrefix = "tls:";
constexpr size_t kMaxSocketPathBytes = sizeof(sockaddr_un::sun_path) - 1;

absl::Status BadAddress(std::string_view text, const std::string& why) {
  return absl::InvalidArgumentError("address " + Quoted(text) + ": " + why);
}

absl::StatusOr<Address> ParseUnix(std::string_view text) {
  const std::string_view path = text.substr(kUnixPrefix.size());
  if (path.empty()) return BadAddress(text, "the path is missing");
  if (path.find('\0') != std::string_view::npos) return BadAddress(text, "the path holds a NUL");
  if (path.size() > kMaxSocketPathBytes) {
    return BadAddress(text, "the path of a Unix socket has at most " +
                                std::to_string(kMaxSocketPathBytes) + " bytes");
  }
  return Address{.socket_path = std::string(path)};
}

bool IsHostCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '-' || c == '_' || c == ':' || c == '%';
}

}  // namespace

absl::StatusOr<Address> ParseAddress(std::string_view text) {
  if (text.substr(0, kUnixPrefix.size()) == kUnixPrefix) return ParseUnix(text);
  const bool tls = text.substr(0, kTlsPrefix.size()) == kTlsPrefix;
  const std::string_view place = tls ? text.substr(kTlsPrefix.size()) : text;
  const size_t colon = place.rfind(':');
  if (colon == std::string_view::npos) {
    return BadAddress(text, "want unix:PATH, HOST:PORT or tls:HOST:PORT");
  }
  std::string_view host = place.substr(0, colon);
  const std::string_view port_text = place.substr(colon + 1);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return BadAddress(text, "an IPv6 address stands in brackets: [::1]:PORT");
  }
  if (host.empty()) return BadAddress(text, "the host is missing");
  for (const char c : host) {
    if (!IsHostCharacter(c)) return BadAddress(text, "the host holds a strange character");
  }
  uint16_t port = 0;
  const char* const end = port_text.data() + port_text.size();
  const auto [rest, error] = std::from_chars(port_text.data(), end, port);
  if (error != std::errc() || rest != end) {
    return BadAddress(text, "the port must be a number from 0 to 65535");
  }
  return Address{.host = std::string(host), .port = port, .tls = tls};
}

std::string Address::ToString() const {
  if (is_unix()) return std::string(kUnixPrefix) + socket_path;
  return (tls ? std::string(kTlsPrefix) : "") + HostAndPort();
}

std::string Address::HostAndPort() const {
  const bool is_ipv6 = host.find(':') != std::string_view::npos;
  return (is_ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::string Address::ToGrpcTarget() const {
  if (!is_unix()) return HostAndPort();
  constexpr std::string_view kPlain = "/-._~";
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string target(kUnixPrefix);
  for (const char c : socket_path) {
    const auto byte = static_cast<unsigned char>(c);
    const bool alphanumeric =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (alphanumeric || kPlain.find(c) != std::string_view::npos) {
      target += c;
    } else {
      target += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return target;
}

Address DefaultAddress() {
  const char* const runtime = std::getenv("XDG_RUNTIME_DIR");
  const std::string directory = runtime != nullptr && runtime[0] == '/'
                                    ? std::string(runtime) + "/ecf8"
                                    : "/tmp/ecf8-" + std::to_string(getuid());
  return Address{.socket_path = directory + "/ecf8d.sock"};
}

bool IsDefaultAddress(const Address& address) {
  return address.is_unix() && address.socket_path == DefaultAddress().socket_path;
}

}  // namespace ecf8
