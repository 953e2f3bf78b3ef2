// A daemon of a benchmark's own: a server in this process, on a socket in a directory that goes
// with it.
#ifndef ECF8_TOOLS_ECF8_OWN_SERVER_H_
#define ECF8_TOOLS_ECF8_OWN_SERVER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "rpc/server.h"

namespace ecf8 {

class OwnServer {
 public:
  // Serves the one model in `directory`; all its memory has been touched.
  static absl::StatusOr<std::unique_ptr<OwnServer>> Start(const std::string& directory,
                                                          const EngineOptions& engine);
  ~OwnServer();

  const Address& address() const { return server_->address(); }
  const std::shared_ptr<const CompressedModel>& model() const { return model_; }
  const Engine& engine() const { return server_->engine(); }

 private:
  OwnServer() = default;

  std::string directory_;
  std::shared_ptr<const CompressedModel> model_;
  std::unique_ptr<Server> server_;
};

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_OWN_SERVER_H_
