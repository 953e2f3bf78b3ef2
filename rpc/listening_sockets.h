// The sockets that a daemon listens on: made here, or passed by the service manager.
#ifndef ECF8_RPC_LISTENING_SOCKETS_H_
#define ECF8_RPC_LISTENING_SOCKETS_H_

#include <sys/types.h>

#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "loader/base/descriptor.h"
#include "rpc/address.h"

namespace ecf8 {

// Listens at the Unix socket `path`, where nothing may be: with mode 0600, or where there is a
// `group`, its and with mode 0660; from before anybody can connect. The thread's umask is changed
// meanwhile. PERMISSION_DENIED where this user is not of the group.
absl::StatusOr<Descriptor> ListenOnUnix(const std::string& path, std::optional<gid_t> group);

// Listens at every address of this machine that `address`, of TCP, names. Where its port is 0 the
// system chooses one, which `address` then has. FAILED_PRECONDITION where the port is in use, or no
// address can be had.
absl::StatusOr<std::vector<Descriptor>> ListenOnTcp(Address* address);

// Those of `passed` that listen at `address`: at its path, or with its port. They are taken out,
// and do not block from here on.
std::vector<Descriptor> TakeListeners(const Address& address, std::vector<Descriptor>* passed);

// Whether `fd` is a stream socket that listens.
bool IsListener(int fd);

}  // namespace ecf8

#endif  // ECF8_RPC_LISTENING_SOCKETS_H_
