// A file descriptor that closes itself.
#ifndef ECF8_LOADER_BASE_DESCRIPTOR_H_
#define ECF8_LOADER_BASE_DESCRIPTOR_H_

#include <unistd.h>

#include <utility>

namespace ecf8 {

// Movable. Thread-compatible.
class Descriptor {
 public:
  Descriptor() = default;  // of nothing: -1
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.Release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);  // the other closes what this one held
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }

  explicit operator bool() const { return fd_ >= 0; }
  int get() const { return fd_; }
  // The caller closes it.
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_BASE_DESCRIPTOR_H_
