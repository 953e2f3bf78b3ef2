#include "tests/fuzz/fuzzed_client.h"

#include <sys/socket.h>

#include <chrono>
#include <thread>

#include "grpcpp/client_context.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/sync_stream.h"
#include "loader/base/mutex.h"
#include "rpc/slot_handshake.h"
#include "tests/fuzz/service_messages.h"
#include "tests/support/unix_client.h"

namespace ecf8 {

namespace {

constexpr size_t kMaxSteps = 40;
constexpr size_t kMaxCalls = 6;
constexpr size_t kMaxConnections = 4;
// How long to look for an answer: as it is not known whether one comes.
constexpr std::chrono::milliseconds kLook(20);
constexpr std::chrono::seconds kTimeout(20);
const std::string kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

}  // namespace

// Any method, as a stream both ways: so it looks on the wire.
class FuzzedCall {
 public:
  FuzzedCall(const FuzzedService& service, const char* method, bool is_session)
      : is_session_(is_session),
        method_(method, grpc::internal::RpcMethod::BIDI_STREAMING),
        stream_(
            grpc::internal::ClientReaderWriterFactory<grpc::ByteBuffer, grpc::ByteBuffer>::Create(
                service.channel().get(), method_, &context_)),
        reader_([this] { Read(); }) {}
  FuzzedCall(const FuzzedCall&) = delete;
  FuzzedCall& operator=(const FuzzedCall&) = delete;
  ~FuzzedCall() {
    context_.TryCancel();
    reader_.join();
    stream_->Finish();
  }

  bool is_session() const { return is_session_; }

  void Write(const std::string& message) {
    const grpc::Slice slice(message);
    if (!writes_ended_) stream_->Write(grpc::ByteBuffer(&slice, 1));
  }
  void EndWrites() {
    if (!writes_ended_) stream_->WritesDone();
    writes_ended_ = true;
  }
  void Cancel() { context_.TryCancel(); }

  // Waits for one more answer, or the end, or a moment.
  void Wait() {
    const auto deadline = std::chrono::steady_clock::now() + kLook;
    MutexLock lock(mutex_);
    const size_t before = answers_;
    while (answers_ == before && !ended_) {
      if (!news_.WaitUntil(lock, deadline)) return;
    }
  }

 private:
  void Read() {
    grpc::ByteBuffer answer;
    while (stream_->Read(&answer)) {
      MutexLock lock(mutex_);
      ++answers_;
      news_.NotifyAll();
    }
    MutexLock lock(mutex_);
    ended_ = true;
    news_.NotifyAll();
  }

  const bool is_session_;
  const grpc::internal::RpcMethod method_;
  grpc::ClientContext context_;
  const std::unique_ptr<grpc::ClientReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>> stream_;
  bool writes_ended_ = false;
  Mutex mutex_;
  CondVar news_;
  size_t answers_ ABSL_GUARDED_BY(mutex_) = 0;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread reader_;
};

FuzzedClient::FuzzedClient(const FuzzedService& service) : service_(service) {}
FuzzedClient::~FuzzedClient() = default;

void FuzzedClient::Run(ScriptInput& input) {
  for (size_t i = 0; i < kMaxSteps && !input.is_empty(); ++i) Step(input);
}

void FuzzedClient::Step(ScriptInput& input) {
  const std::string& path = service_.address().socket_path;
  switch (input.Below(16)) {
    case 0:
    case 1:
    case 2:
      return Call(input);
    case 3:
      return BeginSession();
    case 4:
    case 5:
      return SaySomething(input);
    case 6:
    case 7:
      return SayStep(input);
    case 8:
      return TakeTicket();
    case 9:
      if (!mappings_.empty()) mappings_[input.Below(mappings_.size())]->Disconnect();
      return;
    case 10:
      if (FuzzedCall* const call = ChooseCall(input)) call->EndWrites();
      return;
    case 11:
      if (FuzzedCall* const call = ChooseCall(input)) call->Cancel();
      return;
    case 12:
      return SendRawBytes(input, path, input.Bit() ? kPreface : "");
    case 13:
      return SendRawBytes(input, SlotSocketPath(path),
                          input.Bit() ? std::string(kSlotHello.begin(), kSlotHello.end()) : "");
    case 14:
      if (!connections_.empty()) connections_.pop_back();
      return;
    default:
      if (FuzzedCall* const call = ChooseCall(input)) call->Wait();
  }
}

// What was built, or any bytes, or more than there may be.
std::string FuzzedClient::Request(ScriptInput& input, const std::string& built) const {
  const uint8_t choice = input.Byte();
  if (choice < 200) return built;
  if (choice < 216) return built + input.Bytes();
  if (choice < 250) return input.Bytes();
  return std::string(size_t{1} << (choice - 250 + 16), static_cast<char>(input.Byte()));
}

void FuzzedClient::Call(ScriptInput& input) {
  const ServiceMethod& method = ChooseMethod(input);
  const std::string request = Request(input, method.make_request(input));
  if (calls_.size() == kMaxCalls) return;
  calls_.push_back(std::make_unique<FuzzedCall>(service_, method.name, /*is_session=*/false));
  calls_.back()->Write(request);
  if (input.Byte() % 8 != 7) calls_.back()->EndWrites();
  if (input.Bit()) calls_.back()->Wait();
}

void FuzzedClient::BeginSession() {
  if (calls_.size() == kMaxCalls) return;
  calls_.push_back(std::make_unique<FuzzedCall>(service_, kSessionMethod, /*is_session=*/true));
}

void FuzzedClient::SaySomething(ScriptInput& input) {
  FuzzedCall* const call = ChooseCall(input);
  if (call == nullptr) return;
  if (call->is_session()) {
    call->Write(MakeSessionRequest(input, tickets_, service_.digest()));
  } else {
    call->Write(input.Bytes());
  }
}

// Where it is not read the socket takes no more, and the rest is lost.
void FuzzedClient::SayStep(ScriptInput& input) {
  if (mappings_.empty()) return;
  const int connection = mappings_[input.Below(mappings_.size())]->connection();
  const std::string message = MakeSessionRequest(input, tickets_, service_.digest());
  const uint8_t choice = input.Byte();
  const auto size = static_cast<uint32_t>(choice < 250 ? message.size() : input.Number());
  std::string bytes = std::string(reinterpret_cast<const char*>(&size), sizeof(size)) + message;
  if (choice < 8) bytes = input.Bytes();
  send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void FuzzedClient::TakeTicket() {
  if (mappings_.size() == kMaxConnections) return;
  auto mapping = SlotMapping::Connect(SlotSocketPath(service_.address().socket_path), kTimeout);
  if (!mapping.ok()) return;
  mappings_.push_back(*std::move(mapping));
  tickets_.emplace_back(mappings_.back()->ticket().begin(), mappings_.back()->ticket().end());
}

void FuzzedClient::SendRawBytes(ScriptInput& input, const std::string& path,
                                const std::string& begin) {
  const std::string bytes = begin + input.Bytes();
  if (connections_.size() == kMaxConnections) return;
  connections_.push_back(testing::ConnectToUnixSocket(path));
  send(connections_.back().get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (input.Bit()) shutdown(connections_.back().get(), SHUT_WR);
}

FuzzedCall* FuzzedClient::ChooseCall(ScriptInput& input) {
  return calls_.empty() ? nullptr : calls_[input.Below(calls_.size())].get();
}

}  // namespace ecf8
