// A daemon of a benchmark's own: a server in this process, on a socket in a directory that goes
// with it.
#ifndef ECF8_TOOLS_ECF8_OWN_SERVER_H_
#define ECF8_TOOLS_ECF8_OWN_SERVER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "loader/engine/engine.h"
#include "rpc/server.h"
#include "tools/workloads/scratch_directory.h"

namespace ecf8 {

class OwnServer {
 public:
  // Its memory has been touched when this returns. `model` is a compressed model's directory.
  static absl::StatusOr<std::unique_ptr<OwnServer>> Start(const std::string& model,
                                                          const EngineOptions& engine);
  OwnServer(const OwnServer&) = delete;
  OwnServer& operator=(const OwnServer&) = delete;
  ~OwnServer() = default;

  const Address& address() const { return server_->address(); }
  const std::shared_ptr<const CompressedModel>& model() const { return model_; }
  const Engine& engine() const { return server_->engine(); }
  // Of this process's user alone, and gone when the server is.
  const std::string& directory() const { return directory_->path(); }

 private:
  OwnServer() = default;

  std::unique_ptr<ScratchDirectory> directory_;  // outlives the server's sockets in it
  std::shared_ptr<const CompressedModel> model_;
  std::unique_ptr<Server> server_;
};

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_OWN_SERVER_H_
