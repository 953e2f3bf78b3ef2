#include "ecf8/client.h"

#include <cstdlib>
#include <utility>

#include "decoder/status_macros.h"
#include "rpc/public/client_state.h"
#include "rpc/public/convert.h"
#include "rpc/public/retry.h"

namespace ecf8 {
namespace {

absl::StatusOr<Address> AddressOf(std::string_view text) {
  const char* const variable = std::getenv("ECF8_DAEMON");
  if (text.empty() && variable != nullptr) text = variable;
  if (text.empty()) return DefaultAddress();
  return ParseAddress(text);
}

}  // namespace

absl::Status Client::State::Call(const CallLimits& limits,
                                 absl::FunctionRef<absl::Status()> call) const {
  return Retry(retry_for, limits, call,
               [this](const CallLimits& left) { return client->WaitForConnection(left); });
}

absl::StatusOr<Client> Client::Connect(std::string_view address, const ClientOptions& options) {
  auto state = std::make_shared<State>();
  ECF8_ASSIGN_OR_RETURN(state->address, AddressOf(address));
  const ClientCredentials credentials{.ca_path = options.tls_ca,
                                      .certificate_path = options.tls_cert,
                                      .key_path = options.tls_key,
                                      .token = options.token};
  ECF8_ASSIGN_OR_RETURN(state->client,
                        WeightClient::Connect(state->address, options.connect_timeout, {},
                                              credentials.OrFromEnvironment()));
  state->retry_for = options.retry_for;
  return Client(std::move(state));
}

Client::Client(std::shared_ptr<State> state) : state_(std::move(state)) {}
Client::Client(Client&& other) noexcept = default;
Client& Client::operator=(Client&& other) noexcept = default;
Client::~Client() = default;

absl::StatusOr<std::vector<ModelInfo>> Client::Models(const CallOptions& options) const {
  const CallLimits limits = ToLimits(options);
  std::vector<ModelInfo> infos;
  ECF8_RETURN_IF_ERROR(state_->Call(limits, [&]() -> absl::Status {
    ECF8_ASSIGN_OR_RETURN(const std::vector<v1::Model> models, state_->client->ListModels(limits));
    for (const v1::Model& model : models) infos.push_back(ToModelInfo(model));
    return absl::OkStatus();
  }));
  return infos;
}

absl::StatusOr<ModelDescription> Client::Describe(std::string_view model,
                                                  const CallOptions& options) const {
  const CallLimits limits = ToLimits(options);
  ModelDescription description;
  ECF8_RETURN_IF_ERROR(state_->Call(limits, [&]() -> absl::Status {
    description.units.clear();
    const auto on_unit = [&](const v1::Unit& unit) {
      description.units.push_back(ToUnitInfo(unit));
      return absl::OkStatus();
    };
    ECF8_ASSIGN_OR_RETURN(
        const v1::Model described,
        state_->client->DescribeModel(std::string(model), /*with_chunks=*/false, on_unit, limits));
    description.model = ToModelInfo(described);
    return absl::OkStatus();
  }));
  return description;
}

}  // namespace ecf8
