#include "rpc/unix_socket.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "decoder/status_macros.h"
#include "loader/base/file.h"

namespace ecf8 {
namespace {

// A daemon that removes its lock file as another opens it makes that one try again.
constexpr int kMaxLockAttempts = 16;

absl::Status InUse(const std::string& path) {
  return absl::AlreadyExistsError("socket " + path +
                                  " is in use: another daemon listens there; stop it, or choose "
                                  "another with --listen unix:PATH");
}

// Whether `fd` is still the file at `path`.
bool IsFileAt(int fd, const std::string& path) {
  struct stat opened = {};
  struct stat named = {};
  return fstat(fd, &opened) == 0 && lstat(path.c_str(), &named) == 0 &&
         opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

// A locked descriptor of the lock file of `path`.
absl::StatusOr<int> TakeLock(const std::string& path) {
  const std::string lock_path = path + ".lock";
  for (int attempt = 0; attempt < kMaxLockAttempts; ++attempt) {
    const int fd =
        open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
    if (fd < 0) return ErrnoStatus(errno, "could not open " + lock_path);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
      const int error = errno;
      close(fd);
      if (error == EWOULDBLOCK) return InUse(path);
      return ErrnoStatus(error, "could not lock " + lock_path);
    }
    if (IsFileAt(fd, lock_path)) return fd;
    close(fd);
  }
  return InUse(path);
}

// Whether a connect finds somebody at the socket `path`.
absl::StatusOr<bool> SomebodyListens(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError("socket " + path + ": the path is too long");
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return ErrnoStatus(errno, "could not make a socket");
  const int result = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  const int error = errno;
  close(fd);
  if (result == 0 || error == EAGAIN || error == EINPROGRESS) return true;
  if (error == ECONNREFUSED || error == ENOENT) return false;
  return ErrnoStatus(error, "could not connect to socket " + path);
}

absl::Status RemoveStaleSocket(const std::string& path) {
  struct stat status = {};
  if (lstat(path.c_str(), &status) != 0) {
    return errno == ENOENT ? absl::OkStatus() : ErrnoStatus(errno, path);
  }
  if (!S_ISSOCK(status.st_mode)) {
    return absl::FailedPreconditionError(path + " exists and is no socket");
  }
  ECF8_ASSIGN_OR_RETURN(const bool in_use, SomebodyListens(path));
  if (in_use) return InUse(path);
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    return ErrnoStatus(errno, "could not remove the stale socket " + path);
  }
  return absl::OkStatus();
}

// Of a user or a group; the number where it has none.
template <typename Entry, typename Id>
std::string NameOf(Id id, int (*find)(Id, Entry*, char*, size_t, Entry**), char* Entry::*name) {
  std::array<char, 4096> buffer;
  Entry entry = {};
  Entry* found = nullptr;
  const int error = find(id, &entry, buffer.data(), buffer.size(), &found);
  return error == 0 && found != nullptr ? entry.*name : std::to_string(id);
}

}  // namespace

absl::Status CheckMayConnect(const std::string& path) {
  std::filesystem::path gate;
  for (const std::filesystem::path& part : std::filesystem::path(path)) {
    gate /= part;
    const bool is_socket = gate == path;
    if (faccessat(AT_FDCWD, gate.c_str(), is_socket ? W_OK : X_OK, AT_EACCESS) == 0) continue;
    struct stat status = {};
    if (errno != EACCES || stat(gate.c_str(), &status) != 0) return absl::OkStatus();
    const mode_t needed = is_socket ? S_IWGRP : S_IXGRP;
    return absl::PermissionDeniedError(
        "permission denied at unix:" + path + ": " + (is_socket ? "it" : gate.string()) +
        " is open to user " + NameOf(status.st_uid, getpwuid_r, &passwd::pw_name) +
        ((status.st_mode & needed) != 0
             ? " and group " + NameOf(status.st_gid, getgrgid_r, &group::gr_name)
             : " alone"));
  }
  return absl::OkStatus();
}

absl::Status CheckPrivateDirectory(const std::string& directory, bool create) {
  if (create && mkdir(directory.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
    return ErrnoStatus(errno, "could not make " + directory);
  }
  struct stat status = {};
  if (lstat(directory.c_str(), &status) != 0) return ErrnoStatus(errno, directory);
  if (!S_ISDIR(status.st_mode)) {
    return absl::FailedPreconditionError(directory + " is no directory");
  }
  if (status.st_uid != getuid()) {
    return absl::FailedPreconditionError(directory + " belongs to another user");
  }
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return absl::FailedPreconditionError(directory + " is open to other users: chmod 700 it");
  }
  return absl::OkStatus();
}

absl::StatusOr<SocketClaim> SocketClaim::Take(const std::string& path) {
  ECF8_ASSIGN_OR_RETURN(const int lock_fd, TakeLock(path));
  if (absl::Status status = RemoveStaleSocket(path); !status.ok()) {
    // The path is not ours: only the lock file is.
    unlink((path + ".lock").c_str());
    close(lock_fd);
    return status;
  }
  return SocketClaim(path, lock_fd);
}

SocketClaim::SocketClaim(std::string path, int lock_fd)
    : path_(std::move(path)), lock_fd_(lock_fd) {}

SocketClaim::SocketClaim(SocketClaim&& other) noexcept
    : path_(std::move(other.path_)), lock_fd_(std::exchange(other.lock_fd_, -1)) {}

SocketClaim::~SocketClaim() {
  if (lock_fd_ < 0) return;
  unlink(path_.c_str());
  unlink((path_ + ".lock").c_str());
  close(lock_fd_);
}

void SocketClaim::HideSocket() const { unlink(path_.c_str()); }

std::optional<ucred> PeerCredentials(int fd) {
  ucred peer = {};
  socklen_t size = sizeof(peer);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return std::nullopt;
  if (peer.uid == static_cast<uid_t>(-1)) return std::nullopt;  // TCP's answer
  return peer;
}

ScopedUmask::ScopedUmask(mode_t mask) : previous_(umask(mask)) {}

ScopedUmask::~ScopedUmask() { umask(previous_); }

}  // namespace ecf8
