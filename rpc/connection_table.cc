#include "rpc/connection_table.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "rpc/unix_socket.h"

namespace ecf8 {
namespace {

// A flood makes us look this often.
constexpr std::chrono::milliseconds kSweepInterval(20);
constexpr size_t kNetworkBytes = 8;  // of an IPv6 address
constexpr int kMostReads = 256;      // more than a Unix socket keeps

bool IsOpen(const ConnectionTable::Connection& connection) {
  struct stat status = {};
  return fstat(connection.fd, &status) == 0 && status.st_ino == connection.inode &&
         status.st_dev == connection.device;
}

}  // namespace

bool ConnectionTable::HasRoomFor(const std::string& peer) const {
  if (connections_.size() >= limits_.max_connections) return false;
  const auto found = of_peer_.find(peer);
  return found == of_peer_.end() || found->second < limits_.max_peer_connections;
}

bool ConnectionTable::TryAdd(int fd, const std::string& peer, Clock::time_point now) {
  struct stat status = {};
  if (fstat(fd, &status) != 0) return false;
  if (!HasRoomFor(peer)) {
    if (now < sweep_after_) return false;
    sweep_after_ = now + kSweepInterval;
    Sweep();
    if (!HasRoomFor(peer)) return false;
  }
  connections_.push_back({.fd = fd, .device = status.st_dev, .inode = status.st_ino, .peer = peer});
  ++of_peer_[peer];
  return true;
}

std::vector<ConnectionTable::Connection>& ConnectionTable::Open() {
  Sweep();
  return connections_;
}

bool ConnectionTable::HasCut() {
  Sweep();
  return std::any_of(connections_.begin(), connections_.end(),
                     [](const Connection& connection) { return connection.is_cut; });
}

void ConnectionTable::Sweep() {
  of_peer_.clear();
  std::erase_if(connections_, [this](const Connection& connection) {
    const bool is_open = IsOpen(connection);
    if (is_open) ++of_peer_[connection.peer];
    return !is_open;
  });
}

void ConnectionTable::Name(int fd, const std::string& name) {
  const auto found = std::find_if(connections_.rbegin(), connections_.rend(),
                                  [fd](const Connection& each) { return each.fd == fd; });
  if (found != connections_.rend()) found->name = name;
}

void ConnectionTable::Cut(Connection& connection) {
  connection.is_cut = true;
  if (!IsOpen(connection)) return;
  // TCP takes more from its peer after a shutdown, for as long as somebody reads: it is reset.
  constexpr sockaddr kNobody = {.sa_family = AF_UNSPEC, .sa_data = {}};
  if (!PeerCredentials(connection.fd) && connect(connection.fd, &kNobody, sizeof(kNobody)) == 0) {
    return;
  }
  shutdown(connection.fd, SHUT_RDWR);
  std::array<char, 65536> nothing;
  for (int i = 0; i < kMostReads; ++i) {
    if (recv(connection.fd, nothing.data(), nothing.size(), MSG_DONTWAIT) <= 0) return;
  }
}

std::string PeerOf(int fd) {
  sockaddr_storage peer = {};
  socklen_t size = sizeof(peer);
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0) return "";
  if (peer.ss_family == AF_UNIX) {
    const std::optional<ucred> credentials = PeerCredentials(fd);
    return credentials ? "user " + std::to_string(credentials->uid) : "";
  }
  if (peer.ss_family == AF_INET) {
    const in_addr address = reinterpret_cast<sockaddr_in*>(&peer)->sin_addr;
    return std::string(reinterpret_cast<const char*>(&address), sizeof(address));
  }
  const in6_addr address = reinterpret_cast<sockaddr_in6*>(&peer)->sin6_addr;
  const char* const bytes = reinterpret_cast<const char*>(&address);
  if (IN6_IS_ADDR_V4MAPPED(&address)) return std::string(bytes + 12, sizeof(in_addr));
  return std::string(bytes, kNetworkBytes);
}

}  // namespace ecf8
