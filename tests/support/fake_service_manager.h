// A service manager that hears what a service says and holds its descriptors, as systemd does:
// a datagram socket, and a store by name.
#ifndef ECF8_TESTS_SUPPORT_FAKE_SERVICE_MANAGER_H_
#define ECF8_TESTS_SUPPORT_FAKE_SERVICE_MANAGER_H_

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "loader/base/descriptor.h"

namespace ecf8::testing {

class FakeServiceManager {
 public:
  // Listens at `address`: a path, or @ and an abstract name.
  explicit FakeServiceManager(const std::string& address) : address_(address) {
    sockaddr_un socket_address{};
    socket_address.sun_family = AF_UNIX;
    std::memcpy(socket_address.sun_path, address.data(), address.size());
    if (address[0] == '@') socket_address.sun_path[0] = '\0';
    socket_ = Descriptor(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
    EXPECT_EQ(bind(socket_.get(), reinterpret_cast<const sockaddr*>(&socket_address), size), 0);
  }

  const std::string& address() const { return address_; }

  // Takes in all that was said until now.
  void Hear() {
    char text[4096];
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    while (true) {
      iovec bytes{text, sizeof(text)};
      msghdr message{};
      message.msg_iov = &bytes;
      message.msg_iovlen = 1;
      message.msg_control = control;
      message.msg_controllen = sizeof(control);
      const ssize_t size = recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
      if (size < 0) return;
      int fd = -1;
      if (const cmsghdr* const header = CMSG_FIRSTHDR(&message)) {
        std::memcpy(&fd, CMSG_DATA(header), sizeof(fd));
      }
      Obey(std::string(text, static_cast<size_t>(size)), Descriptor(fd));
    }
  }

  // What was said besides, in order.
  const std::vector<std::string>& states() const { return states_; }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& [name, descriptor] : store_) names.push_back(name);
    return names;
  }
  int fd(const std::string& name) const { return store_.at(name).get(); }
  // As when the service is stopped.
  void Forget() { store_.clear(); }

 private:
  void Obey(const std::string& state, Descriptor descriptor) {
    std::map<std::string, std::string> said;
    std::istringstream lines(state);
    for (std::string line; std::getline(lines, line);) {
      said[line.substr(0, line.find('='))] = line.substr(line.find('=') + 1);
    }
    if (said.contains("FDSTORE")) {
      EXPECT_TRUE(descriptor) << state;
      EXPECT_FALSE(store_.contains(said["FDNAME"])) << state;
      store_[said["FDNAME"]] = std::move(descriptor);
    } else if (said.contains("FDSTOREREMOVE")) {
      store_.erase(said["FDNAME"]);
    } else {
      states_.push_back(state);
    }
  }

  const std::string address_;
  Descriptor socket_;
  std::map<std::string, Descriptor> store_;
  std::vector<std::string> states_;
};

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_SUPPORT_FAKE_SERVICE_MANAGER_H_
