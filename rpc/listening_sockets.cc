#include "rpc/listening_sockets.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "decoder/status_macros.h"
#include "loader/base/file.h"
#include "rpc/unix_socket.h"

namespace ecf8 {
namespace {

// What the system lets wait; a flood fills less.
constexpr int kBacklog = 1024;
// A port that the system has chosen for one address may be in use at another.
constexpr int kPortAttempts = 16;

constexpr int kStream = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;

using Names = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

absl::Status NotToBeHad(const Address& address, const std::string& why) {
  return absl::FailedPreconditionError("could not listen on " + address.ToString() + ": " + why);
}

void SetOption(int fd, int level, int option, int value) {
  // A kernel that knows none of these has other problems.
  setsockopt(fd, level, option, &value, sizeof(value));
}

uint16_t PortOf(int fd) {
  sockaddr_storage bound = {};
  socklen_t size = sizeof(bound);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size) != 0) return 0;
  if (bound.ss_family == AF_INET) return ntohs(reinterpret_cast<sockaddr_in*>(&bound)->sin_port);
  if (bound.ss_family != AF_INET6) return 0;
  return ntohs(reinterpret_cast<sockaddr_in6*>(&bound)->sin6_port);
}

void SetPort(addrinfo* name, uint16_t port) {
  if (name->ai_family == AF_INET) {
    reinterpret_cast<sockaddr_in*>(name->ai_addr)->sin_port = htons(port);
  } else if (name->ai_family == AF_INET6) {
    reinterpret_cast<sockaddr_in6*>(name->ai_addr)->sin6_port = htons(port);
  }
}

// Of nothing where it cannot be had; `error` says why.
Descriptor ListenAt(const addrinfo& name, int* error) {
  Descriptor socket(::socket(name.ai_family, kStream, name.ai_protocol));
  if (socket) {
    SetOption(socket.get(), SOL_SOCKET, SO_REUSEADDR, 1);  // not SO_REUSEPORT: one daemon a port
    SetOption(socket.get(), IPPROTO_TCP, TCP_NODELAY, 1);  // its connections have it, too
    if (name.ai_family == AF_INET6) SetOption(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
    if (bind(socket.get(), name.ai_addr, name.ai_addrlen) == 0 &&
        listen(socket.get(), kBacklog) == 0) {
      return socket;
    }
  }
  *error = errno;
  return {};
}

// One try at all of `names`, with the port that `address` has, or that the first is given.
absl::StatusOr<std::vector<Descriptor>> ListenAtAll(const Address& address, addrinfo* names,
                                                    uint16_t* port) {
  std::vector<Descriptor> sockets;
  int error = EADDRNOTAVAIL;
  *port = address.port;
  for (addrinfo* name = names; name != nullptr; name = name->ai_next) {
    SetPort(name, *port);
    Descriptor socket = ListenAt(*name, &error);
    if (socket) {
      if (*port == 0) *port = PortOf(socket.get());
      sockets.push_back(std::move(socket));
    } else if (error == EADDRINUSE) {
      return absl::AlreadyExistsError("the port is in use");
    }
    // One that this machine has not (::1 without IPv6) is left out.
  }
  if (sockets.empty()) return NotToBeHad(address, std::strerror(error));
  return sockets;
}

}  // namespace

absl::StatusOr<Descriptor> ListenOnUnix(const std::string& path, std::optional<gid_t> group) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError("socket " + path + ": the path is too long");
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  Descriptor socket(::socket(AF_UNIX, kStream, 0));
  if (!socket) return ErrnoStatus(errno, "cannot make a socket");
  {
    const ScopedUmask owner_only(S_IXUSR | S_IRWXG | S_IRWXO);
    if (bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
      return ErrnoStatus(errno, "cannot make the socket " + path);
    }
  }
  if (group && (lchown(path.c_str(), static_cast<uid_t>(-1), *group) != 0 ||
                chmod(path.c_str(), S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP) != 0)) {
    return ErrnoStatus(errno, "cannot give the socket " + path + " to its group");
  }
  if (listen(socket.get(), kBacklog) != 0) return ErrnoStatus(errno, "cannot listen on " + path);
  return socket;
}

absl::StatusOr<std::vector<Descriptor>> ListenOnTcp(Address* address) {
  addrinfo hints = {};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int unknown = getaddrinfo(address->host.c_str(), nullptr, &hints, &found);
  if (unknown != 0) return NotToBeHad(*address, gai_strerror(unknown));
  const Names names(found, &freeaddrinfo);
  for (int attempt = 0; attempt < kPortAttempts; ++attempt) {
    uint16_t port = 0;
    auto sockets = ListenAtAll(*address, names.get(), &port);
    if (sockets.ok()) address->port = port;
    if (!absl::IsAlreadyExists(sockets.status())) return sockets;
    if (address->port != 0) break;
  }
  return NotToBeHad(*address, "it is in use");
}

std::vector<Descriptor> TakeListeners(const Address& address, std::vector<Descriptor>* passed) {
  std::vector<Descriptor> taken, left;
  for (Descriptor& socket : *passed) {
    // Service managers pass them as they made them.
    fcntl(socket.get(), F_SETFL, fcntl(socket.get(), F_GETFL) | O_NONBLOCK);
    bool is_there = false;
    if (address.is_unix()) {
      sockaddr_un bound = {};
      socklen_t size = sizeof(bound) - 1;  // the path ends with a zero
      is_there = getsockname(socket.get(), reinterpret_cast<sockaddr*>(&bound), &size) == 0 &&
                 bound.sun_family == AF_UNIX && address.socket_path == bound.sun_path;
    } else {
      is_there = address.port != 0 && PortOf(socket.get()) == address.port;
    }
    (is_there ? taken : left).push_back(std::move(socket));
  }
  *passed = std::move(left);
  return taken;
}

bool IsListener(int fd) {
  int listens = 0, type = 0;
  socklen_t size = sizeof(int);
  return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens != 0 &&
         getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

}  // namespace ecf8
