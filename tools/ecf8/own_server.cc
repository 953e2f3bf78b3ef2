#include "tools/ecf8/own_server.h"

#include <vector>

#include "decoder/status_macros.h"
#include "loader/serve/open_models.h"
#include "spdlog/spdlog.h"

namespace ecf8 {

absl::StatusOr<std::unique_ptr<OwnServer>> OwnServer::Start(const std::string& directory,
                                                            const EngineOptions& engine) {
  spdlog::set_level(spdlog::level::off);  // it would log to stdout, where the results go
  std::unique_ptr<OwnServer> self(new OwnServer);
  ECF8_ASSIGN_OR_RETURN(self->directory_, ScratchDirectory::Make());
  std::vector<SkippedDirectory> skipped;
  ECF8_ASSIGN_OR_RETURN(const OpenedModels models, OpenModels({directory}, &skipped));
  if (models.size() != 1) return absl::InvalidArgumentError("give one model");
  self->model_ = models.front();
  ServerOptions server;
  server.address.socket_path = self->directory() + "/ecf8.sock";
  server.engine = engine;
  ECF8_ASSIGN_OR_RETURN(self->server_, Server::Start(models, server));
  self->server_->WaitUntilTouched();
  return self;
}

}  // namespace ecf8
