#include "rpc/session_link.h"

#include <atomic>
#include <utility>

#include "grpcpp/alarm.h"
#include "grpcpp/client_context.h"
#include "grpcpp/completion_queue.h"
#include "rpc/call_limits.h"
#include "rpc/error_status.h"

namespace ecf8 {
namespace {

enum class Operation : uintptr_t { kStart = 1, kWrite, kRead, kFinish, kWake };

void* Tag(Operation operation) { return reinterpret_cast<void*>(operation); }

// A queue of completions, not gRPC's synchronous calls: those wait without a limit. Whoever waits
// for an answer does gRPC's work on the way, so that it takes no other thread's turn.
class GrpcSessionLink final : public SessionLink {
 public:
  explicit GrpcSessionLink(v1::WeightService::Stub& stub)
      : stream_(stub.PrepareAsyncSession(&context_, &queue_)) {
    stream_->StartCall(Tag(Operation::kStart));
  }

  ~GrpcSessionLink() override {
    context_.TryCancel();
    alarm_.Cancel();
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }

  Event Next(std::chrono::steady_clock::time_point deadline) override {
    const gpr_timespec until = ToGrpcDeadline(deadline);
    while (true) {
      void* tag = nullptr;
      bool ok = false;
      if (queue_.AsyncNext(&tag, &ok, until) != grpc::CompletionQueue::GOT_EVENT) {
        return Event::kNone;
      }
      switch (static_cast<Operation>(reinterpret_cast<uintptr_t>(tag))) {
        case Operation::kStart:
          if (!ok) {
            stream_->Finish(&status_, Tag(Operation::kFinish));
            break;
          }
          Read();
          return Event::kWritten;
        case Operation::kWrite:
          // Where it is not, the stream has ended, and the read will tell.
          if (ok) return Event::kWritten;
          break;
        case Operation::kRead:
          if (ok) return Event::kRead;
          stream_->Finish(&status_, Tag(Operation::kFinish));
          break;
        case Operation::kFinish:
          return Event::kEnded;
        case Operation::kWake:
          waking_ = false;
          return Event::kWoken;
      }
    }
  }

  bool Write(const v1::SessionRequest& request) override {
    stream_->Write(request, Tag(Operation::kWrite));
    return false;
  }
  void EndWrites() override { stream_->WritesDone(Tag(Operation::kWrite)); }

  const v1::SessionResponse& response() const override { return response_; }
  void Read() override { stream_->Read(&response_, Tag(Operation::kRead)); }

  absl::Status status() const override { return FromGrpcStatus(status_); }

  void Wake() override {
    if (!waking_.exchange(true)) {
      alarm_.Set(&queue_, gpr_now(GPR_CLOCK_MONOTONIC), Tag(Operation::kWake));
    }
  }
  void Cancel() override { context_.TryCancel(); }

 private:
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<v1::SessionRequest, v1::SessionResponse>> stream_;
  v1::SessionResponse response_;
  grpc::Status status_;
  std::atomic<bool> waking_ = false;  // the alarm is set
  grpc::Alarm alarm_;
};

}  // namespace

std::unique_ptr<SessionLink> StartSessionLink(v1::WeightService::Stub& stub) {
  return std::make_unique<GrpcSessionLink>(stub);
}

}  // namespace ecf8
