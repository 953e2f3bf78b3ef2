#include "rpc/grpc_lifetime.h"

#include <errno.h>
#include <sys/eventfd.h>

#include <array>

#include "grpc/grpc.h"
#include "loader/base/descriptor.h"
#include "loader/base/file.h"

namespace ecf8 {
namespace {

// That a server opens until it listens, with some to spare.
constexpr size_t kDescriptorsOfServer = 24;

}  // namespace

void KeepGrpc() {
  static const bool kept = [] {
    grpc_init();  // and never grpc_shutdown
    return true;
  }();
  static_cast<void>(kept);
}

absl::Status CheckDescriptorsForGrpc() {
  std::array<Descriptor, kDescriptorsOfServer> taken;
  for (Descriptor& descriptor : taken) {
    descriptor = Descriptor(eventfd(0, EFD_CLOEXEC));
    if (!descriptor) {
      return ErrnoStatus(
          errno,
          "a server cannot begin with what descriptors are left: raise ulimit -n, or "
          "LimitNOFILE in the systemd unit");
    }
  }
  return absl::OkStatus();
}

}  // namespace ecf8
