// A daemon's Unix socket: the claim to its path, and who is at the other end.
#ifndef ECF8_RPC_UNIX_SOCKET_H_
#define ECF8_RPC_UNIX_SOCKET_H_

#include <sys/socket.h>
#include <sys/types.h>

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace ecf8 {

// A directory that only this user can enter: made with mode 0700 where it is missing and `create`
// is set. FAILED_PRECONDITION where it is another's, open to others, or no directory.
absl::Status CheckPrivateDirectory(const std::string& directory, bool create);

// From Take to the destructor no other daemon gets the same path: a lock on `<path>.lock`, which
// the kernel drops with its owner, decides between daemons that start at once.
class SocketClaim {
 public:
  // Removes a stale socket: one to which a connect finds nobody listening. ALREADY_EXISTS where
  // someone is, FAILED_PRECONDITION where `path` is anything but a socket.
  static absl::StatusOr<SocketClaim> Take(const std::string& path);

  SocketClaim(SocketClaim&& other) noexcept;
  SocketClaim& operator=(SocketClaim&&) = delete;
  SocketClaim(const SocketClaim&) = delete;
  // Removes the socket and the lock.
  ~SocketClaim();

  // Removes the socket: nobody new finds it, and nobody else may take its place yet.
  void HideSocket() const;

 private:
  SocketClaim(std::string path, int lock_fd);

  std::string path_;
  int lock_fd_ = -1;
};

// Whose process has connected `fd`, a Unix socket; nothing where that cannot be told, as of TCP.
std::optional<ucred> PeerCredentials(int fd);

// PERMISSION_DENIED where this process may not connect to the socket at `path`, because of the
// socket or of a directory on the way to it: the message says whose it is, and which group's. OK
// otherwise, whether there is a socket or not.
absl::Status CheckMayConnect(const std::string& path);

// Sets the process's umask for a scope, so that a socket bound in it has its mode from the start.
class ScopedUmask {
 public:
  explicit ScopedUmask(mode_t mask);
  ScopedUmask(const ScopedUmask&) = delete;
  ScopedUmask& operator=(const ScopedUmask&) = delete;
  ~ScopedUmask();

 private:
  mode_t previous_;
};

}  // namespace ecf8

#endif  // ECF8_RPC_UNIX_SOCKET_H_
