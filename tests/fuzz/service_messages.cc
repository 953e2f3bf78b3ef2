#include "tests/fuzz/service_messages.h"

#include <algorithm>

#include "ecf8/v1/control.pb.h"
#include "ecf8/v1/models.pb.h"
#include "ecf8/v1/session.pb.h"
#include "ecf8/v1/weights.pb.h"

namespace ecf8 {
namespace {

std::string ModelName(ScriptInput& input) {
  static const std::string kNames[] = {"small",
                                       "small",
                                       "other",
                                       "",
                                       "..",
                                       "../models/small",
                                       ".",
                                       "small/",
                                       "none",
                                       "a\nb",
                                       std::string(300, 'x'),
                                       "/etc",
                                       "\xff\xfe"};
  const size_t choice = input.Below(std::size(kNames) + 1);
  return choice < std::size(kNames) ? kNames[choice] : input.Bytes();
}

std::string UnitName(ScriptInput& input) {
  static const std::string kNames[] = {"embed",     "layers.0",           "layers.1", "head",
                                       "layers.99", "layers.0.experts.0", ""};
  const size_t choice = input.Below(std::size(kNames) + 1);
  return choice < std::size(kNames) ? kNames[choice] : input.Bytes();
}

std::string Digest(ScriptInput& input) {
  static const std::string kDigests[] = {"", "", "0000000000000000", "not one"};
  return input.OneOf(kDigests);
}

std::string RequestId(ScriptInput& input) {
  static const std::string kIds[] = {"", "id", std::string(64, 'i'), std::string(65, 'i'),
                                     "\x01\n"};
  return input.OneOf(kIds);
}

template <typename Field>
void AddUnitNames(ScriptInput& input, Field* units) {
  for (size_t count = input.Below(5); count > 0; --count) *units->Add() = UnitName(input);
}

template <typename Field>
void AddUnitNumbers(ScriptInput& input, Field* units) {
  for (uint64_t count = std::min<uint64_t>(input.Number(), 70'000); count > 0; --count) {
    // Many are all the same.
    units->Add(count > 8 ? 0 : static_cast<uint32_t>(input.Number()));
  }
}

v1::UnitsInTier Units(ScriptInput& input) {
  v1::UnitsInTier units;
  units.set_model(ModelName(input));
  AddUnitNames(input, units.mutable_units());
  units.set_tier(static_cast<v1::MemoryTier>(input.Below(6)));
  return units;
}

std::string MakeFetch(ScriptInput& input) {
  v1::FetchRequest request;
  request.set_model(ModelName(input));
  request.set_form(static_cast<v1::Form>(input.Below(4)));
  AddUnitNames(input, request.mutable_units());
  if (input.Bit()) request.add_tensors("lm_head.weight");
  if (input.Bit()) request.add_tensors(input.Bytes());
  request.set_request_id(RequestId(input));
  request.set_digest(Digest(input));
  return request.SerializeAsString();
}

std::string MakeDescribe(ScriptInput& input) {
  v1::DescribeModelRequest request;
  request.set_model(ModelName(input));
  request.set_with_chunks(input.Bit());
  return request.SerializeAsString();
}

std::string MakeReadFile(ScriptInput& input) {
  static const std::string kPaths[] = {"model.safetensors", "config.json", "",
                                       "../small/config.json", "/etc/passwd"};
  v1::ReadFileRequest request;
  request.set_model(ModelName(input));
  request.set_digest(Digest(input));
  const size_t choice = input.Below(std::size(kPaths) + 1);
  request.set_path(choice < std::size(kPaths) ? kPaths[choice] : input.Bytes());
  request.set_offset_bytes(input.Number());
  request.set_size_bytes(input.Number());
  return request.SerializeAsString();
}

std::string MakeRecord(ScriptInput& input) {
  v1::RecordAccessesRequest request;
  for (size_t count = input.Below(4); count > 0; --count) request.add_models(ModelName(input));
  return request.SerializeAsString();
}

template <typename Request>
std::string MakeModelRequest(ScriptInput& input) {
  Request request;
  request.set_name(ModelName(input));
  request.set_digest(Digest(input));
  request.set_request_id(RequestId(input));
  return request.SerializeAsString();
}

std::string MakePreload(ScriptInput& input) {
  v1::PreloadRequest request;
  *request.mutable_units() = Units(input);
  request.set_pin(input.Bit());
  request.set_request_id(RequestId(input));
  return request.SerializeAsString();
}

template <typename Request>
std::string MakeUnitsRequest(ScriptInput& input) {
  Request request;
  if (input.Byte() % 8 != 7) *request.mutable_units() = Units(input);
  return request.SerializeAsString();
}

std::string MakeNothing(ScriptInput& /*input*/) { return ""; }

void FillOpen(ScriptInput& input, const std::vector<std::string>& tickets,
              const std::string& digest, v1::OpenSession* open) {
  const size_t ticket = input.Below(tickets.size() + 1);
  open->set_ticket(ticket < tickets.size() ? tickets[ticket] : input.Bytes());
  open->set_model(input.Byte() % 4 != 3 ? "small" : ModelName(input));
  open->set_digest(input.Byte() % 4 != 3 ? digest : Digest(input));
  if (input.Bit()) {
    v1::Schedule* const schedule = open->mutable_schedule();
    AddUnitNumbers(input, schedule->mutable_units());
    schedule->set_cyclic(input.Bit());
    schedule->set_depth(static_cast<uint32_t>(input.Number()));
  }
  open->set_slot_bytes(input.Number());
  open->set_request_id(RequestId(input));
  open->set_resident(input.Byte() % 4 == 3);
  open->set_over_slot_socket(input.Byte() % 4 != 3);
}

}  // namespace

const ServiceMethod& ChooseMethod(ScriptInput& input) {
  static constexpr ServiceMethod kMethods[] = {
      {"/ecf8.v1.WeightService/ListModels", MakeNothing},
      {"/ecf8.v1.WeightService/GetStatus", MakeNothing},
      {"/ecf8.v1.WeightService/DescribeModel", MakeDescribe},
      {"/ecf8.v1.WeightService/Fetch", MakeFetch},
      {"/ecf8.v1.WeightService/Fetch", MakeFetch},
      {"/ecf8.v1.WeightService/RecordAccesses", MakeRecord},
      {"/ecf8.v1.ModelService/AddModel", MakeModelRequest<v1::AddModelRequest>},
      {"/ecf8.v1.ModelService/RemoveModel", MakeModelRequest<v1::RemoveModelRequest>},
      {"/ecf8.v1.ControlService/Preload", MakePreload},
      {"/ecf8.v1.ControlService/Pin", MakeUnitsRequest<v1::PinRequest>},
      {"/ecf8.v1.ControlService/Unpin", MakeUnitsRequest<v1::UnpinRequest>},
      {"/ecf8.v1.ControlService/Evict", MakeUnitsRequest<v1::EvictRequest>},
      {"/ecf8.v1.WeightService/ReadFile", MakeReadFile},
      {"/grpc.health.v1.Health/Check", MakeNothing},
      {"/grpc.health.v1.Health/Watch", MakeNothing},
      {"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", MakeNothing},
      {"/ecf8.v1.WeightService/NoSuchMethod", MakeNothing},
  };
  return input.OneOf(kMethods);
}

std::string MakeSessionRequest(ScriptInput& input, const std::vector<std::string>& tickets,
                               const std::string& digest) {
  v1::SessionRequest request;
  switch (input.Below(10)) {
    case 0:
      FillOpen(input, tickets, digest, request.mutable_open());
      break;
    case 1:
    case 2:
      request.mutable_acquire()->set_set_id(input.Number());
      AddUnitNumbers(input, request.mutable_acquire()->mutable_units());
      request.mutable_acquire()->set_timeout_ms(static_cast<uint32_t>(input.Number()));
      break;
    case 3:
      request.mutable_release()->set_set_id(input.Number());
      break;
    case 4:
      request.mutable_cancel()->set_set_id(input.Number());
      break;
    case 5:
      AddUnitNumbers(input, request.mutable_hint()->mutable_units());
      break;
    case 6:
      request.mutable_skip()->set_count(static_cast<uint32_t>(input.Number()));
      break;
    case 7:
      request.mutable_ping();
      break;
    case 8:
      return input.Bytes();
    default:
      break;
  }
  return request.SerializeAsString();
}

}  // namespace ecf8
