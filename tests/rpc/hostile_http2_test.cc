// What HTTP/2 lets a peer do to a server that no well-behaved client does: messages that do not
// end, calls begun and reset, floods of pings, settings and headers. None of them needs a token:
// the server has not read one yet. Each time others are served, and the server stays small.

#include "tests/support/hostile_http2.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "tests/rpc/test_server.h"
#include "tests/support/heap_bytes.h"
#include "tests/support/sanitizer.h"
#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::CallHeaders;
using ::ecf8::testing::CollectingSink;
using ::ecf8::testing::Frame;
using ::ecf8::testing::FrameType;
using ::ecf8::testing::Header;
using ::ecf8::testing::HeapBytes;
using ::ecf8::testing::HostileHttp2;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::kEndHeaders;
using ::ecf8::testing::SettledHeapBytes;
using ::ecf8::testing::Within20s;
using ::testing::HasSubstr;

constexpr char kMethod[] = "/ecf8.v1.WeightService/ListModels";
constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kTransportBytes = 64 * kMiB;

class HostileHttp2Test : public ::testing::Test {
 protected:
  HostileHttp2Test() {
    tensors_ = testing::MakeCompressedModel(directory_.path(), "small");
    ServerOptions options;
    options.address.socket_path = path_;
    options.engine = testing::SmallEngine();
    options.limits.transport_bytes = kTransportBytes;
    auto server = Server::Start({testing::OpenModel(directory_ / "small")}, options);
    EXPECT_THAT(server, IsOk());
    server_ = *std::move(server);
    ExpectOthersAreServed();
    before_ = HeapBytes();
  }

  // Somebody else gets every byte. One who comes at the height of it may have to come again.
  void ExpectOthersAreServed() const {
    EXPECT_TRUE(Within20s([&] {
      const auto client = WeightClient::Connect(server_->address(), std::chrono::seconds(20));
      CollectingSink sink;
      return client.ok() &&
             (*client)->Fetch(testing::Request(v1::FORM_DECODED), false, sink).ok() &&
             sink.tensors == tensors_;
    }));
  }

  size_t Growth() const {
    const size_t now = SettledHeapBytes();
    return now > before_ ? now - before_ : 0;
  }

  // Nobody is left, and nothing of what they took.
  void ExpectAllIsBack() const {
    EXPECT_TRUE(Within20s([&] { return server_->connection_stats().open == 0; }));
    EXPECT_TRUE(Within20s([&] { return HeapBytes() < before_ + 8 * kMiB; }))
        << HeapBytes() - before_ << " bytes more than before";
    ExpectOthersAreServed();
  }

  testing::TempDir directory_;
  const std::string path_ = directory_ / "s.sock";
  testing::TensorBytes tensors_;
  std::unique_ptr<Server> server_;
  size_t before_ = 0;
};

// Of each call all of a message but its last byte: 400 MiB that a server would have to keep.
TEST_F(HostileHttp2Test, MessagesThatDoNotEnd) {
  constexpr uint32_t kBytes = 1'000'000;
  const std::string message =
      std::string("\0\0\x0F\x42\x41", 5) + std::string(kBytes, '\0');  // says that it has one more
  {
    std::vector<std::unique_ptr<HostileHttp2>> clients;
    for (int i = 0; i < 4; ++i) {
      clients.push_back(std::make_unique<HostileHttp2>(path_));
      // Until it is given no more room, or its calls are given up.
      for (uint32_t stream = 1; stream < 200; stream += 2) {
        const std::string call = CallHeaders(kMethod);
        if (!clients.back()->Send(Frame(FrameType::kHeaders, kEndHeaders, stream, call)) ||
            !clients.back()->SendData(stream, message)) {
          break;
        }
      }
    }
    EXPECT_LT(Growth(), 2 * kTransportBytes);
    ExpectOthersAreServed();
  }
  ExpectAllIsBack();
}

TEST_F(HostileHttp2Test, CallsThatSayNothing) {
  {
    std::vector<std::unique_ptr<HostileHttp2>> clients;
    for (int i = 0; i < 8; ++i) {
      clients.push_back(std::make_unique<HostileHttp2>(path_));
      std::string calls;
      for (uint32_t stream = 1; stream < 256; stream += 2) {
        calls += Frame(FrameType::kHeaders, kEndHeaders, stream, CallHeaders(kMethod));
      }
      EXPECT_TRUE(clients.back()->Send(calls));
    }
    EXPECT_LT(Growth(), kTransportBytes);
    ExpectOthersAreServed();
  }
  ExpectAllIsBack();
}

// Begun and given up at once, so that none of them counts among those that are open. gRPC 1.51
// works them off more slowly than it reads them, and keeps them meanwhile: nothing bounds that but
// the peer's zeal (docs/SECURITY.md).
TEST_F(HostileHttp2Test, CallsThatAreReset) {
  {
    HostileHttp2 client(path_);
    const int rounds = testing::kAddressSanitizer ? 10 : 100;
    uint32_t stream = 1;
    for (int i = 0; i < rounds; ++i) {
      std::string calls;
      for (int j = 0; j < 100; ++j, stream += 2) {
        calls += Frame(FrameType::kHeaders, kEndHeaders, stream, CallHeaders(kMethod)) +
                 Frame(FrameType::kReset, 0, stream, std::string("\0\0\0\x08", 4));
      }
      if (!client.Send(calls)) break;
    }
    ExpectOthersAreServed();
  }
  ExpectAllIsBack();
}

TEST_F(HostileHttp2Test, Pings) {
  HostileHttp2 client(path_);
  std::string pings;
  for (int i = 0; i < 100; ++i) pings += Frame(FrameType::kPing, 0, 0, "whatever");
  for (int i = 0; i < 100 && client.Send(pings); ++i) {
  }
  EXPECT_TRUE(client.IsClosed());
  // By gRPC, unless it was as fast as to keep the thread that hands it over.
  if (server_->connection_stats().shed == 0) {
    EXPECT_THAT(client.farewell(), HasSubstr("too_many_pings"));
  }
  ExpectAllIsBack();
}

// The answers of which nobody reads.
TEST_F(HostileHttp2Test, Settings) {
  {
    HostileHttp2 client(path_);
    std::string settings;
    for (int i = 0; i < 100; ++i) {
      settings += Frame(FrameType::kSettings, 0, 0, std::string("\0\3\0\0\0\x10", 6));
    }
    for (int i = 0; i < 5000 && client.Send(settings, /*reads=*/false); ++i) {
    }
    EXPECT_LT(Growth(), 8 * kMiB);
    ExpectOthersAreServed();
  }
  ExpectAllIsBack();
}

// Headers of a megabyte, of which gRPC keeps what was sent and some, and a few bytes that would
// stand for 60 MB (HPACK's table, of which there is none).
TEST_F(HostileHttp2Test, Headers) {
  std::string many, many_of_one(16000, static_cast<char>(0x80 | 62));
  for (int i = 0; i < 100; ++i) many += Header("x-more", std::string(100, 'm'));
  const std::string large =
      std::string("\x40\x01x\x7F\xBD\x1D", 6) + std::string(3900, 'v');  // goes into the table
  for (const std::string& more : {many, many_of_one}) {
    std::vector<std::unique_ptr<HostileHttp2>> clients;
    for (int c = 0; c < 2; ++c) {
      clients.push_back(std::make_unique<HostileHttp2>(path_));
      HostileHttp2& client = *clients.back();
      client.Send(Frame(FrameType::kHeaders, 0, 1, CallHeaders(kMethod) + large));
      for (int i = 0; i < 100 && client.Send(Frame(FrameType::kContinuation, 0, 1, more)); ++i) {
      }
    }
    EXPECT_LT(Growth(), kTransportBytes / 2);
    ExpectOthersAreServed();
  }
  ExpectAllIsBack();
}

}  // namespace
}  // namespace ecf8
