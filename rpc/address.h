// Where a daemon listens: a Unix socket or a TCP port; and how a client speaks to it there.
#ifndef ECF8_RPC_ADDRESS_H_
#define ECF8_RPC_ADDRESS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace ecf8 {

struct Address {
  std::string socket_path{};  // of a Unix socket; else empty
  std::string host{};         // a name, an IPv4 address, or an IPv6 address without brackets
  uint16_t port = 0;          // 0: the system chooses one (a server's address only)
  bool tls = false;  // speak TLS there (a client's address only; a server's TLS is a setting)

  bool is_unix() const { return !socket_path.empty(); }

  // As ParseAddress takes it.
  std::string ToString() const;
  // Of TCP.
  std::string HostAndPort() const;
  // As gRPC takes it, for a channel or a listener: there a Unix path is part of a URI.
  std::string ToGrpcTarget() const;
};

// "unix:PATH", "HOST:PORT" ("[::1]:PORT" for IPv6) or "tls:HOST:PORT". INVALID_ARGUMENT says what
// is wrong.
absl::StatusOr<Address> ParseAddress(std::string_view text);

// $XDG_RUNTIME_DIR/ecf8/ecf8d.sock, or else /tmp/ecf8-$UID/ecf8d.sock.
Address DefaultAddress();

// Whether `address` is the default one, whose directory must be its user's own.
bool IsDefaultAddress(const Address& address);

}  // namespace ecf8

#endif  // ECF8_RPC_ADDRESS_H_
