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

bool SlotLink::SendSlots(const SessionSlots& slots, int slot_fd, int generation_fd) {
  MutexLock lock(mutex_);
  return fd_ >= 0 && SendWithDescriptors(fd_, &slots, sizeof(slots), {slot_fd, generation_fd});
}

void SlotLink::SetSteps(std::weak_ptr<SessionSteps> steps) {
  MutexLock lock(mutex_);
  steps_ = std::move(steps);
}

std::shared_ptr<SessionSteps> SlotLink::steps() const {
  MutexLock lock(mutex_);
  return steps_.lock();
}

void SlotLink::Notify() {
  // The thread that serves looks itself, and one that was woken is on its way.
  if (service_.fetch_or(kNotified) == 0) waker_->Signal();
}

bool SlotLink::EndService() {
  uint8_t serving = kServing;
  return service_.compare_exchange_strong(serving, 0);
}

std::optional<ucred> SlotLink::peer() const {
  MutexLock lock(mutex_);
  return fd_ >= 0 ? PeerCredentials(fd_) : std::nullopt;
}

void SlotLink::Close() {
  MutexLock lock(mutex_);
  fd_ = -1;
}

void SlotLinks::Add(const Ticket& ticket, std::shared_ptr<SlotLink> link) {
  MutexLock lock(mutex_);
  links_[ticket] = std::move(link);
}

void SlotLinks::Remove(const Ticket& ticket) {
  MutexLock lock(mutex_);
  links_.erase(ticket);
}

std::shared_ptr<SlotLink> SlotLinks::Find(const Ticket& ticket) const {
  MutexLock lock(mutex_);
  const auto found = links_.find(ticket);
  return found != links_.end() ? found->second : nullptr;
}

bool SlotLinks::HasPeer(const ucred& peer) const {
  MutexLock lock(mutex_);
  return std::any_of(links_.begin(), links_.end(), [&peer](const auto& link) {
    const std::optional<ucred> linked = link.second->peer();
    return linked && linked->pid == peer.pid && linked->uid == peer.uid;
  });
}

}  // namespace ecf8
