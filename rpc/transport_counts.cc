#include "rpc/transport_counts.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <initializer_list>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "grpc/grpc.h"
#include "grpc/support/alloc.h"
#include "nlohmann/json.hpp"

namespace ecf8 {
namespace {

using Json = nlohmann::json;

// Takes a text of gRPC's; null where there is none, or it is not what it should be.
Json Parse(char* text) {
  const std::unique_ptr<char, void (*)(void*)> owned(text, gpr_free);
  return text == nullptr ? Json() : Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

// What lies at `keys` in `json`; null where there is nothing.
const Json& At(const Json& json, std::initializer_list<const char*> keys) {
  static const Json* const none = new Json;
  const Json* place = &json;
  for (const char* const key : keys) {
    const auto found = place->find(key);
    if (found == place->end()) return *none;
    place = &*found;
  }
  return *place;
}

// The JSON of protobuf has 64 bits as text, and leaves zeros out.
uint64_t NumberOf(const Json& json) {
  uint64_t number = 0;
  if (const auto* text = json.get_ptr<const std::string*>()) {
    static_cast<void>(absl::SimpleAtoi(*text, &number));
  }
  return number;
}

std::vector<int64_t> Numbers(const Json& references, const char* key) {
  std::vector<int64_t> numbers;
  for (const Json& reference : references) {
    numbers.push_back(static_cast<int64_t>(NumberOf(At(reference, {key}))));
  }
  return numbers;
}

// Of the connections of `server`, those whose number is at least `from`.
std::vector<int64_t> ConnectionsFrom(int64_t server, int64_t from) {
  std::vector<int64_t> all;
  while (true) {
    const Json page = Parse(grpc_channelz_get_server_sockets(server, from, /*max_results=*/0));
    const std::vector<int64_t> some = Numbers(At(page, {"socketRef"}), "socketId");
    all.insert(all.end(), some.begin(), some.end());
    if (some.empty() || !At(page, {"end"}).is_null()) return all;
    from = some.back() + 1;
  }
}

std::string NameOfNumber(int64_t number) { return absl::StrCat("#", number); }

// The bytes of a peer's address, and its port.
std::string NameOfPeer(std::string_view address, int port) {
  return absl::StrCat(std::string(address), ":", port);
}

// Empty where the peer has no address of its own.
std::string NameOfPeer(const Json& remote) {
  const Json& address = At(remote, {"tcpip_address", "ip_address"});
  const Json& port = At(remote, {"tcpip_address", "port"});
  std::string bytes;
  if (!address.is_string() || !port.is_number_integer() ||
      !absl::Base64Unescape(address.get_ref<const std::string&>(), &bytes)) {
    return "";
  }
  return NameOfPeer(bytes, port.get<int>());
}

std::string NameOfPeer(int fd) {
  sockaddr_storage peer = {};
  socklen_t size = sizeof(peer);
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0) return "";
  const auto bytes = [](const auto& address) {
    return std::string_view(reinterpret_cast<const char*>(&address), sizeof(address));
  };
  if (peer.ss_family == AF_INET) {
    const auto& ip = reinterpret_cast<const sockaddr_in&>(peer);
    return NameOfPeer(bytes(ip.sin_addr), ntohs(ip.sin_port));
  }
  if (peer.ss_family == AF_INET6) {
    const auto& ip = reinterpret_cast<const sockaddr_in6&>(peer);
    std::string_view address = bytes(ip.sin6_addr);
    if (IN6_IS_ADDR_V4MAPPED(&ip.sin6_addr)) address.remove_prefix(12);  // as gRPC has it
    return NameOfPeer(address, ntohs(ip.sin6_port));
  }
  return "";
}

}  // namespace

TransportCounts::TransportCounts() {
  for (int64_t from = 0;;) {
    const Json page = Parse(grpc_channelz_get_servers(from));
    std::vector<int64_t> servers;
    for (const Json& server : At(page, {"server"})) {
      servers.push_back(static_cast<int64_t>(NumberOf(At(server, {"ref", "serverId"}))));
    }
    if (!servers.empty()) server_ = servers.back();
    if (servers.empty() || !At(page, {"end"}).is_null()) return;
    from = server_ + 1;
  }
}

std::string TransportCounts::NameOf(int fd) {
  std::string name = NameOfPeer(fd);
  if (!name.empty()) return name;
  const std::vector<int64_t> connections = ConnectionsFrom(server_, newest_ + 1);
  if (connections.empty()) return "";  // it is closed already
  newest_ = connections.back();
  return NameOfNumber(newest_);
}

TransportCounts::Counts TransportCounts::Look() const {
  Counts counts;
  for (const int64_t number : ConnectionsFrom(server_, 0)) {
    const Json json = Parse(grpc_channelz_get_socket(number));
    const Json& data = At(json, {"socket", "data"});
    std::string name = NameOfPeer(At(json, {"socket", "remote"}));
    if (name.empty()) name = NameOfNumber(number);
    counts[name] = {.calls_begun = NumberOf(At(data, {"streamsStarted"})),
                    .calls_answered = NumberOf(At(data, {"streamsSucceeded"})),
                    .calls_broken_off = NumberOf(At(data, {"streamsFailed"})),
                    .messages_sent = NumberOf(At(data, {"messagesSent"}))};
  }
  return counts;
}

}  // namespace ecf8
