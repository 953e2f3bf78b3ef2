// The connections that a server has, as far as their number goes: all, and those of each peer.
//
// Who handles a connection closes it without a word. That it is gone is seen by its descriptor,
// which is then no descriptor any more, or another file's: looked at when a limit is reached, and
// then not too often.
#ifndef ECF8_RPC_CONNECTION_TABLE_H_
#define ECF8_RPC_CONNECTION_TABLE_H_

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace ecf8 {

struct ConnectionLimits {
  size_t max_connections = 1024;
  size_t max_peer_connections = 256;  // of one user of a Unix socket, or one network address
};

// Thread-compatible.
class ConnectionTable {
 public:
  using Clock = std::chrono::steady_clock;

  struct Connection {
    int fd;
    dev_t device;
    ino_t inode;
    std::string peer;
    std::string name{};   // whatever its user calls it
    bool is_cut = false;  // its user has, and whoever handles it will find out
  };

  explicit ConnectionTable(const ConnectionLimits& limits) : limits_(limits) {}

  // Counts the connection, or returns false where that is one too many.
  bool TryAdd(int fd, const std::string& peer, Clock::time_point now);

  // The one that was added last with this descriptor, unless it is gone.
  void Name(int fd, const std::string& name);

  // Those that are open, looked at now, the oldest first.
  std::vector<Connection>& Open();

  // Whether one is open that was cut, looked at now.
  bool HasCut();

  // Ends one of those that are open, unless it has gone since: nobody reads what its peer has sent
  // and was not read yet, and its peer sends no more. Whoever handles it finds its end.
  static void Cut(Connection& connection);

  // Whether there is any, as of the last look.
  bool empty() const { return connections_.empty(); }

 private:
  bool HasRoomFor(const std::string& peer) const;
  // Forgets those that are gone.
  void Sweep();

  const ConnectionLimits limits_;
  std::vector<Connection> connections_;
  std::map<std::string, size_t> of_peer_;
  Clock::time_point sweep_after_;
};

// Who is at the other end of `fd`: the user of a Unix socket, the address of TCP (of IPv6, its
// network of 64 bits, which is one machine's).
std::string PeerOf(int fd);

}  // namespace ecf8

#endif  // ECF8_RPC_CONNECTION_TABLE_H_
