// What gRPC counts of each connection of a server (its channelz): the one way to tell which of them
// is being served, as no call tells by which connection it has come.
#ifndef ECF8_RPC_TRANSPORT_COUNTS_H_
#define ECF8_RPC_TRANSPORT_COUNTS_H_

#include <cstdint>
#include <map>
#include <string>

namespace ecf8 {

struct ConnectionCounts {
  // Calls, counted when their headers have come, and again when all of them has been worked off.
  uint64_t calls_begun = 0;
  uint64_t calls_answered = 0;
  uint64_t calls_broken_off = 0;
  uint64_t messages_sent = 0;

  bool has_call() const { return calls_begun > calls_answered + calls_broken_off; }
};

// Thread-compatible.
class TransportCounts {
 public:
  // By the name of a connection.
  using Counts = std::map<std::string, ConnectionCounts>;

  // Of the server that was started last in this process.
  TransportCounts();

  // The name of the connection `fd`, which gRPC has just taken, as the only one since the last
  // call: that of its peer, or where that has none, as at a Unix socket, gRPC's own number.
  std::string NameOf(int fd);

  // Of all connections that are open, but for those that still are in TLS's handshake. Some 30 us
  // each.
  Counts Look() const;

 private:
  int64_t server_ = 0;  // gRPC's numbers
  int64_t newest_ = 0;  // connection
};

}  // namespace ecf8

#endif  // ECF8_RPC_TRANSPORT_COUNTS_H_
