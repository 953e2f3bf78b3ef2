// One DescribeModel: the model, then its units in messages of bounded size. It reads no disk, so it
// needs no worker; a message is made when the one before it is out.
#ifndef ECF8_RPC_DESCRIBE_STREAM_H_
#define ECF8_RPC_DESCRIBE_STREAM_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "ecf8/v1/weights.pb.h"
#include "grpcpp/support/server_callback.h"
#include "loader/base/mutex.h"
#include "loader/model/compressed_model.h"
#include "rpc/stream_registry.h"

namespace ecf8 {

class DescribeStream final : public grpc::ServerWriteReactor<v1::DescribeModelResponse>,
                             public ServedStream,
                             public std::enable_shared_from_this<DescribeStream> {
 public:
  // `registry` must outlive the stream.
  DescribeStream(std::shared_ptr<const CompressedModel> model, bool with_chunks,
                 StreamRegistry& registry);

  // To be called once, after the registry has taken the stream, which then owns itself.
  void Start();

  void Abort(const absl::Status& status) override;

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  void WriteNext();

  const std::shared_ptr<const CompressedModel> model_;
  const bool with_chunks_;
  StreamRegistry& registry_;
  std::shared_ptr<DescribeStream> self_;  // from Start to OnDone
  v1::DescribeModelResponse message_;
  uint32_t next_unit_ = 0;

  Mutex mutex_;
  std::optional<absl::Status> abort_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ecf8

#endif  // ECF8_RPC_DESCRIBE_STREAM_H_
