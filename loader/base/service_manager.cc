#include "loader/base/service_manager.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "loader/base/environment.h"
#include "loader/base/file.h"
#include "loader/base/strings.h"

namespace ecf8 {
namespace {

constexpr int kFirstDescriptor = 3;  // SD_LISTEN_FDS_START
constexpr int kMaxDescriptors = 1024;

std::string TakeVariable(const char* name) {
  std::string taken = Environment(name);
  ::unsetenv(name);
  return taken;
}

int64_t NumberIn(const std::string& text) {
  int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && rest == end ? number : -1;
}

}  // namespace

std::unique_ptr<ServiceManager> ServiceManager::FromEnvironment() {
  std::string socket = TakeVariable("NOTIFY_SOCKET");
  const int64_t pid = NumberIn(TakeVariable("LISTEN_PID"));
  const int64_t count = NumberIn(TakeVariable("LISTEN_FDS"));
  const std::string watchdog_pid = TakeVariable("WATCHDOG_PID");
  const int64_t watchdog_us = NumberIn(TakeVariable("WATCHDOG_USEC"));
  const std::string names = TakeVariable("LISTEN_FDNAMES");
  if (!socket.empty() && socket[0] != '/' && socket[0] != '@') socket.clear();
  const bool passes = pid == ::getpid() && count > 0 && count <= kMaxDescriptors;
  if (socket.empty() && !passes) return nullptr;
  std::unique_ptr<ServiceManager> manager(new ServiceManager(socket));
  if (watchdog_us > 0 && (watchdog_pid.empty() || NumberIn(watchdog_pid) == ::getpid())) {
    manager->watchdog_timeout_ = std::chrono::microseconds(watchdog_us);
  }
  if (!passes) return manager;
  std::string_view left = names;
  for (int i = 0; i < count; ++i) {
    const int fd = kFirstDescriptor + i;
    const std::string_view name = left.substr(0, left.find(':'));
    left.remove_prefix(std::min(left.size(), name.size() + 1));
    if (::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) continue;  // it is none
    manager->received_.emplace(std::string(name), Descriptor(fd));
  }
  return manager;
}

absl::Status ServiceManager::Notify(const std::string& state) const { return Send(state, -1); }

Descriptor ServiceManager::Take(const std::string& name) {
  const auto found = received_.find(name);
  if (found == received_.end()) return {};
  Descriptor taken = std::move(found->second);
  received_.erase(found);
  return taken;
}

std::vector<Descriptor> ServiceManager::TakeIf(bool (*wanted)(int fd)) {
  std::vector<Descriptor> taken;
  for (auto entry = received_.begin(); entry != received_.end();) {
    if (wanted(entry->second.get())) {
      taken.push_back(std::move(entry->second));
      entry = received_.erase(entry);
    } else {
      ++entry;
    }
  }
  return taken;
}

// Memory is not polled: nothing happens to it.
absl::Status ServiceManager::Put(const std::string& name, const Descriptor& descriptor) {
  return Send(absl::StrCat("FDSTORE=1\nFDPOLL=0\nFDNAME=", name), descriptor.get());
}

void ServiceManager::Remove(const std::string& name) {
  received_.erase(name);
  // A manager that does not hear it has worse problems.
  Send(absl::StrCat("FDSTOREREMOVE=1\nFDNAME=", name), -1).IgnoreError();
}

absl::Status ServiceManager::Send(const std::string& state, int fd) const {
  if (!listens()) return absl::OkStatus();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat("NOTIFY_SOCKET is too long: ", Quoted(socket_)));
  }
  std::memcpy(address.sun_path, socket_.data(), socket_.size());
  if (socket_[0] == '@') address.sun_path[0] = '\0';
  const Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return ErrnoStatus(errno, "cannot speak to the service manager");

  std::string text = state;
  iovec bytes{text.data(), text.size()};
  msghdr message{};
  message.msg_name = &address;
  message.msg_namelen = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size() +
                                               (socket_[0] == '@' ? 0 : 1));
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  if (fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &fd, sizeof(int));
  }
  if (::sendmsg(socket.get(), &message, MSG_NOSIGNAL) < 0) {
    return ErrnoStatus(errno,
                       absl::StrCat("cannot speak to the service manager at ", Quoted(socket_)));
  }
  return absl::OkStatus();
}

}  // namespace ecf8
