// One ReadFile: a part of a model's file, read on the worker pool while nothing is being written.
//
// One message exists, of at most 1 MiB: it is being filled, or gRPC has it. A client that does not
// read holds that one, and nothing more is read.
#ifndef ECF8_RPC_FILE_STREAM_H_
#define ECF8_RPC_FILE_STREAM_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "ecf8/v1/files.pb.h"
#include "grpcpp/support/server_callback.h"
#include "loader/base/file.h"
#include "loader/base/mutex.h"
#include "loader/base/worker_pool.h"
#include "loader/serve/model_files.h"
#include "rpc/stream_registry.h"

namespace ecf8 {

class FileStream final : public grpc::ServerWriteReactor<v1::ReadFileResponse>,
                         public ServedStream,
                         public std::enable_shared_from_this<FileStream> {
 public:
  // The part lies in the file. `pool` and `registry` must outlive the stream.
  FileStream(ModelFile file, uint64_t offset_bytes, uint64_t size_bytes, std::string request_id,
             WorkerPool& pool, StreamRegistry& registry);

  // To be called once, after the registry has taken the stream, which then owns itself.
  void Start();

  void Abort(const absl::Status& status) override;

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  // One after the other: on gRPC's threads, and on the pool.
  void Continue();
  void Fill();
  absl::Status FillMessage();
  void End(const absl::Status& status);

  const ModelFile file_;
  const std::string request_id_;
  WorkerPool& pool_;
  StreamRegistry& registry_;
  std::shared_ptr<FileStream> self_;  // from Start to OnDone

  // Of whoever continues: the pool, or the message that is out.
  std::optional<File> opened_;  // where it is no shard
  v1::ReadFileResponse message_;
  uint64_t next_bytes_;  // the offset of what comes next
  uint64_t left_bytes_;

  Mutex mutex_;
  std::optional<absl::Status> abort_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ecf8

#endif  // ECF8_RPC_FILE_STREAM_H_
