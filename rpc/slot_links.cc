#include "rpc/slot_links.h"

#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>

#include "rpc/unix_socket.h"

namespace ecf8 {

bool SendWithDescriptors(int fd, const void* message, size_t size_bytes,
                         const std::array<int, kSlotDescriptors>& descriptors) {
  iovec bytes = {const_cast<void*>(message), size_bytes};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(descriptors))] = {};
  msghdr sent = {};
  sent.msg_iov = &bytes;
  sent.msg_iovlen = 1;
  if (descriptors.front() >= 0) {
    sent.msg_control = control;
    sent.msg_controllen = sizeof(control);
    cmsghdr* const header = CMSG_FIRSTHDR(&sent);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(descriptors));
    std::memcpy(CMSG_DATA(header), descriptors.data(), sizeof(descriptors));
  }
  return sendmsg(fd, &sent, MSG_NOSIGNAL | MSG_DONTWAIT) == static_cast<ssize_t>(size_bytes);
}

void SlotLinks::Add(const Ticket& ticket, int fd) {
  MutexLock lock(mutex_);
  links_[ticket] = fd;
}

void SlotLinks::Remove(const Ticket& ticket) {
  MutexLock lock(mutex_);
  links_.erase(ticket);
}

bool SlotLinks::Send(const Ticket& ticket, const SessionSlots& slots, int slot_fd,
                     int generation_fd) const {
  MutexLock lock(mutex_);
  const auto found = links_.find(ticket);
  return found != links_.end() &&
         SendWithDescriptors(found->second, &slots, sizeof(slots), {slot_fd, generation_fd});
}

bool SlotLinks::HasPeer(const ucred& peer) const {
  MutexLock lock(mutex_);
  return std::any_of(links_.begin(), links_.end(), [&peer](const auto& link) {
    const std::optional<ucred> linked = PeerCredentials(link.second);
    return linked && linked->pid == peer.pid && linked->uid == peer.uid;
  });
}

}  // namespace ecf8
