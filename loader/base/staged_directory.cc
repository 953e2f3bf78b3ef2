#include "loader/base/staged_directory.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <random>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/file.h"
#include "loader/base/strings.h"

namespace ecf8 {
namespace {

namespace fs = std::filesystem;

constexpr size_t kSuffixLength = 6;
// Longer than that of a directory that nobody goes on with, which RemoveStaleSiblings tells by it.
constexpr char kResumableSuffix[] = "partial";
// Leaves room in a name of 255 bytes for what is put around it. Destinations whose names differ
// only beyond it share their stale directories, which harms nobody: stale ones have no owner.
constexpr size_t kMaxNameBytes = 200;
constexpr int kMaxAttempts = 100;

absl::Status ErrorFor(int error, std::string_view verb, const std::string& path) {
  return ErrnoStatus(error, absl::StrCat("cannot ", ToAbsl(verb), " ", Quoted(path, 1024)));
}

// A descriptor of a directory; closes itself.
class DirectoryFd {
 public:
  explicit DirectoryFd(const std::string& path)
      : fd_(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) {}
  DirectoryFd(const DirectoryFd&) = delete;
  DirectoryFd& operator=(const DirectoryFd&) = delete;
  ~DirectoryFd() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

// Every directory below `path`, then `path` itself.
absl::Status SyncTree(const std::string& path) {
  std::error_code error;
  fs::recursive_directory_iterator entry(path, error);
  while (!error && entry != fs::recursive_directory_iterator()) {
    if (entry->is_directory(error) && !entry->is_symlink(error)) {
      ECF8_RETURN_IF_ERROR(SyncDirectory(entry->path().string()));
    }
    if (!error) entry.increment(error);
  }
  if (error) return ErrorFor(error.value(), "list", path);
  return SyncDirectory(path);
}

absl::Status RemoveTree(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  return error ? ErrorFor(error.value(), "remove", path) : absl::OkStatus();
}

std::string StagingPrefix(const fs::path& destination) {
  return absl::StrCat(".", destination.filename().string().substr(0, kMaxNameBytes), ".ecf8-");
}

// True where `path` still names the directory that `fd` holds.
bool IsSameDirectory(int fd, const std::string& path) {
  struct stat held {};
  struct stat named {};
  return ::fstat(fd, &held) == 0 && ::lstat(path.c_str(), &named) == 0 &&
         held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

// Best effort: what cannot be removed now is tried again the next time.
void RemoveStaleSiblings(const fs::path& destination) {
  const std::string prefix = StagingPrefix(destination);
  std::vector<std::string> candidates;
  std::error_code error;
  for (fs::directory_iterator entry(destination.parent_path(), error);
       !error && entry != fs::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with(prefix) && name.size() == prefix.size() + kSuffixLength) {
      candidates.push_back(entry->path().string());
    }
  }
  for (const std::string& path : candidates) {
    const DirectoryFd directory(path);
    if (directory.get() < 0 || ::flock(directory.get(), LOCK_EX | LOCK_NB) != 0) continue;
    if (IsSameDirectory(directory.get(), path)) fs::remove_all(path, error);
  }
}

std::string RandomSuffix() {
  static constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz0123456789";
  std::random_device random;
  std::uniform_int_distribution<size_t> index(0, kAlphabet.size() - 1);
  std::string suffix(kSuffixLength, ' ');
  for (char& c : suffix) c = kAlphabet[index(random)];
  return suffix;
}

// Makes a new hidden sibling and takes its lock; its path and the descriptor that holds the lock.
// (Not by mkdtemp: its mode of 0700 would become the destination's.)
absl::StatusOr<std::pair<std::string, int>> MakeLockedSibling(const fs::path& destination) {
  const fs::path parent = destination.parent_path();
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    const std::string path =
        (parent / absl::StrCat(StagingPrefix(destination), RandomSuffix())).string();
    if (::mkdir(path.c_str(), 0777) != 0) {
      if (errno == EEXIST) continue;
      return ErrorFor(errno, "create", path);
    }
    DirectoryFd directory(path);
    if (directory.get() < 0) {
      const int error = errno;
      if (error == ENOENT) continue;  // another Create took it for a stale one
      ::rmdir(path.c_str());
      return ErrorFor(error, "open", path);
    }
    // Between mkdir and flock another Create may take it for a stale one: then it holds the lock or
    // has removed the directory. Where there are no locks nobody can, and all goes well without.
    const bool locked = ::flock(directory.get(), LOCK_EX | LOCK_NB) == 0;
    if (!locked && errno == EWOULDBLOCK) continue;
    if (!IsSameDirectory(directory.get(), path)) continue;
    return std::make_pair(path, directory.release());
  }
  return absl::InternalError(
      absl::StrCat("cannot find a free name beside ", Quoted(destination.string(), 1024)));
}

// Makes `path` where it is not there and takes its lock; the descriptor that holds it, and whether
// it was there.
absl::StatusOr<std::pair<int, bool>> LockResumable(const std::string& path) {
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    const bool existed = ::mkdir(path.c_str(), 0777) != 0;
    if (existed && errno != EEXIST) return ErrorFor(errno, "create", path);
    DirectoryFd directory(path);
    if (directory.get() < 0) {
      if (errno == ENOENT) continue;  // its owner has just finished
      return absl::FailedPreconditionError(
          absl::StrCat(Quoted(path, 1024), " is in the way: it is no directory"));
    }
    struct stat stat {};
    if (::fstat(directory.get(), &stat) != 0) return ErrorFor(errno, "look at", path);
    if (stat.st_uid != ::geteuid()) {
      return absl::FailedPreconditionError(
          absl::StrCat(Quoted(path, 1024), " is in the way: it is another user's"));
    }
    if (::flock(directory.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      return absl::FailedPreconditionError(
          absl::StrCat(Quoted(path, 1024), " is being filled by another process"));
    }
    if (!IsSameDirectory(directory.get(), path)) continue;
    return std::make_pair(directory.release(), existed);
  }
  return absl::InternalError(absl::StrCat("cannot take ", Quoted(path, 1024)));
}

bool LacksFlag(int error) { return error == EINVAL || error == ENOSYS; }

// Moves `from` to `to`, which must not exist: 0 or an errno.
int RenameToFree(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (!LacksFlag(errno)) return errno;
  // The file system lacks it. A plain rename replaces nothing but an empty directory.
  struct stat stat {};
  if (::lstat(to.c_str(), &stat) == 0) return EEXIST;
  return ::rename(from.c_str(), to.c_str()) == 0 ? 0 : errno;
}

// Exchanges `built` and `old`: 0 or an errno. Afterwards the old directory is at `*leftover`.
int Exchange(const std::string& built, const std::string& old, std::string* leftover) {
  *leftover = built;
  if (::renameat2(AT_FDCWD, built.c_str(), AT_FDCWD, old.c_str(), RENAME_EXCHANGE) == 0) return 0;
  if (!LacksFlag(errno)) return errno;
  // In two steps. The name differs from a staging directory's, so that a crash between them leaves
  // the old directory where nobody takes it for a stale one.
  *leftover = absl::StrCat(built, ".old");
  if (::rename(old.c_str(), leftover->c_str()) != 0) return errno;
  if (::rename(built.c_str(), old.c_str()) == 0) return 0;
  const int error = errno;
  ::rename(leftover->c_str(), old.c_str());
  return error;
}

// Absolute, without slashes at its end.
absl::StatusOr<fs::path> ResolveDestination(std::string destination) {
  while (destination.size() > 1 && destination.back() == '/') destination.pop_back();
  std::error_code error;
  const fs::path path = fs::absolute(destination, error);
  const std::string name = path.filename().string();
  if (destination.empty() || error || name.empty() || name == "." || name == ".." ||
      destination.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat(Quoted(destination, 1024), " does not name a directory that can be made"));
  }
  return path;
}

// The absolute path of a destination that may be made.
absl::StatusOr<fs::path> CheckDestination(const std::string& destination, bool replace) {
  ECF8_ASSIGN_OR_RETURN(const fs::path path, ResolveDestination(destination));
  const std::string shown = Quoted(destination, 1024);
  std::error_code error;
  if (!fs::is_directory(path.parent_path(), error)) {
    return absl::NotFoundError(absl::StrCat("cannot create ", shown, ": there is no directory ",
                                            Quoted(path.parent_path().string(), 1024)));
  }
  struct stat stat {};
  if (::lstat(path.c_str(), &stat) == 0) {
    if (!replace) return absl::AlreadyExistsError(absl::StrCat(shown, " exists already"));
    if (!S_ISDIR(stat.st_mode)) {
      return absl::FailedPreconditionError(
          absl::StrCat(shown, " is not a directory: it will not be replaced by one"));
    }
  } else if (errno != ENOENT) {
    return ErrorFor(errno, "look at", destination);
  }
  return path;
}

}  // namespace

absl::Status SyncDirectory(const std::string& path) {
  // The parent of a destination may well be reached by a symbolic link.
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return ErrorFor(errno, "open", path);
  // EINVAL: a file system that knows no fsync of directories.
  const int error = ::fsync(fd) == 0 || errno == EINVAL ? 0 : errno;
  ::close(fd);
  return error == 0 ? absl::OkStatus() : ErrorFor(error, "sync", path);
}

absl::StatusOr<StagedDirectory> StagedDirectory::Create(const std::string& destination,
                                                        bool replace) {
  ECF8_ASSIGN_OR_RETURN(const fs::path path, CheckDestination(destination, replace));
  RemoveStaleSiblings(path);
  ECF8_ASSIGN_OR_RETURN(auto sibling, MakeLockedSibling(path));
  return StagedDirectory(path.string(), std::move(sibling.first), sibling.second, replace);
}

absl::StatusOr<StagedDirectory> StagedDirectory::Resume(const std::string& destination,
                                                        bool replace) {
  ECF8_ASSIGN_OR_RETURN(const fs::path path, CheckDestination(destination, replace));
  const std::string partial =
      (path.parent_path() / absl::StrCat(StagingPrefix(path), kResumableSuffix)).string();
  ECF8_ASSIGN_OR_RETURN(const auto locked, LockResumable(partial));
  StagedDirectory staged(path.string(), partial, locked.first, replace);
  staged.kept_ = locked.second;
  return staged;
}

StagedDirectory::StagedDirectory(std::string destination, std::string path, int lock_fd,
                                 bool replace)
    : destination_(std::move(destination)),
      path_(std::move(path)),
      lock_fd_(lock_fd),
      replace_(replace) {}

StagedDirectory::StagedDirectory(StagedDirectory&& other) noexcept
    : destination_(std::move(other.destination_)),
      path_(std::move(other.path_)),
      lock_fd_(std::exchange(other.lock_fd_, -1)),
      replace_(other.replace_),
      kept_(other.kept_),
      committed_(std::exchange(other.committed_, true)) {}

StagedDirectory::~StagedDirectory() {
  if (!committed_ && !kept_) {
    // The lock is held meanwhile: nobody else removes it too. What stays is stale, and goes next
    // time.
    std::error_code error;
    fs::remove_all(path_, error);
  }
  if (lock_fd_ >= 0) ::close(lock_fd_);
}

absl::Status StagedDirectory::Commit() {
  ECF8_RETURN_IF_ERROR(SyncTree(path_));
  std::string leftover;
  int error = RenameToFree(path_, destination_);
  if (error == EEXIST && replace_) error = Exchange(path_, destination_, &leftover);
  if (error == EEXIST) {
    return absl::AlreadyExistsError(
        absl::StrCat(Quoted(destination_, 1024), " has come to exist meanwhile"));
  }
  if (error != 0) return ErrorFor(error, "put in place", destination_);
  committed_ = true;
  // The old directory goes only when the new one is there to stay.
  ECF8_RETURN_IF_ERROR(SyncDirectory(fs::path(destination_).parent_path().string()));
  if (leftover.empty()) return absl::OkStatus();
  return AddContext(RemoveTree(leftover), "the new directory is in place, but the old one stays");
}

}  // namespace ecf8
