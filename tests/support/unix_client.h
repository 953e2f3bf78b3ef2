// A connection to a Unix socket, and nothing more.
#ifndef ECF8_TESTS_SUPPORT_UNIX_CLIENT_H_
#define ECF8_TESTS_SUPPORT_UNIX_CLIENT_H_

#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <string>

#include "loader/base/descriptor.h"

namespace ecf8::testing {

// Empty where nobody listens, or too many wait.
inline Descriptor ConnectToUnixSocket(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return {};
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  Descriptor connection(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!connection || connect(connection.get(), reinterpret_cast<const sockaddr*>(&address),
                             sizeof(address)) != 0) {
    return {};
  }
  return connection;
}

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_SUPPORT_UNIX_CLIENT_H_
