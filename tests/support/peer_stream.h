// A connection that never waits: to a Unix socket or a port, with TLS or without.
#ifndef ECF8_TESTS_SUPPORT_PEER_STREAM_H_
#define ECF8_TESTS_SUPPORT_PEER_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "loader/base/descriptor.h"

struct ssl_ctx_st;  // OpenSSL's SSL_CTX

namespace ecf8::testing {

// Empty where nobody listens.
Descriptor ConnectToLocalPort(uint16_t port);

// Thread-compatible.
class PeerStream {
 public:
  explicit PeerStream(Descriptor fd) : fd_(std::move(fd)) {}
  virtual ~PeerStream() = default;

  int fd() const { return fd_.get(); }

  // How much of `bytes` it took, which may be nothing; nothing at all: it is closed.
  virtual std::optional<size_t> Send(std::string_view bytes);
  // What is there, at most 64 KiB; nothing at all: it is closed.
  virtual std::optional<std::string> Receive();
  // It cannot send before more has come.
  virtual bool must_receive() const { return false; }

 private:
  const Descriptor fd_;
};

// What clients of TLS share: they speak HTTP/2, and believe every server. Thread-safe.
class TlsClients {
 public:
  TlsClients();

  // Speaks TLS over `fd`, beginning with the handshake.
  std::unique_ptr<PeerStream> Speak(Descriptor fd) const;

 private:
  const std::shared_ptr<ssl_ctx_st> context_;
};

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_SUPPORT_PEER_STREAM_H_
