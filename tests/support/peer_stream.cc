#include "tests/support/peer_stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <utility>

namespace ecf8::testing {
namespace {

constexpr size_t kMostBytes = 65536;
constexpr std::array<unsigned char, 3> kHttp2 = {2, 'h', '2'};

class TlsStream : public PeerStream {
 public:
  TlsStream(Descriptor fd, SSL_CTX* context)
      : PeerStream(std::move(fd)), ssl_(SSL_new(context), SSL_free) {
    std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL
    SSL_set_fd(ssl_.get(), this->fd());
    SSL_set_connect_state(ssl_.get());
  }

  std::optional<size_t> Send(std::string_view bytes) override {
    size_t sent = 0;
    const int done = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &sent);
    return Outcome(done, sent);
  }
  std::optional<std::string> Receive() override {
    std::string bytes(kMostBytes, '\0');
    size_t received = 0;
    const int done = SSL_read_ex(ssl_.get(), bytes.data(), bytes.size(), &received);
    const std::optional<size_t> size = Outcome(done, received);
    if (!size) return std::nullopt;
    bytes.resize(*size);
    return bytes;
  }
  bool must_receive() const override { return must_receive_; }

 private:
  std::optional<size_t> Outcome(int done, size_t bytes) {
    if (done == 1) {
      must_receive_ = false;
      return bytes;
    }
    const int error = SSL_get_error(ssl_.get(), done);
    must_receive_ = error == SSL_ERROR_WANT_READ && !SSL_is_init_finished(ssl_.get());
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return 0;
    return std::nullopt;
  }

  const std::unique_ptr<SSL, void (*)(SSL*)> ssl_;
  bool must_receive_ = false;
};

}  // namespace

Descriptor ConnectToLocalPort(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  Descriptor connection(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!connection || (connect(connection.get(), reinterpret_cast<const sockaddr*>(&address),
                              sizeof(address)) != 0 &&
                      errno != EINPROGRESS)) {
    return {};
  }
  return connection;
}

std::optional<size_t> PeerStream::Send(std::string_view bytes) {
  const ssize_t count = send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (count >= 0) return static_cast<size_t>(count);
  if (errno == EAGAIN || errno == ENOTCONN) return 0;
  return std::nullopt;
}

std::optional<std::string> PeerStream::Receive() {
  std::string bytes(kMostBytes, '\0');
  const ssize_t count = recv(fd(), bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (count == 0 || (count < 0 && errno != EAGAIN && errno != ENOTCONN)) return std::nullopt;
  bytes.resize(static_cast<size_t>(std::max<ssize_t>(count, 0)));
  return bytes;
}

TlsClients::TlsClients() : context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free) {
  SSL_CTX_set_mode(context_.get(),
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_alpn_protos(context_.get(), kHttp2.data(), kHttp2.size());
}

std::unique_ptr<PeerStream> TlsClients::Speak(Descriptor fd) const {
  return std::make_unique<TlsStream>(std::move(fd), context_.get());
}

}  // namespace ecf8::testing
