#include "tools/ecf8/wire_json.h"

#include <cinttypes>
#include <cstdio>
#include <string>
#include <vector>

namespace ecf8 {
namespace {

std::string Hex(uint64_t checksum) {
  char text[17];
  std::snprintf(text, sizeof(text), "%016" PRIx64, checksum);
  return text;
}

std::string CodecName(v1::Codec codec) {
  switch (codec) {
    case v1::CODEC_RAW:
      return "raw";
    case v1::CODEC_E4M3:
      return "e4m3";
    case v1::CODEC_E5M2:
      return "e5m2";
    default:
      return std::to_string(static_cast<int>(codec));
  }
}

nlohmann::ordered_json ToJson(const v1::Tensor& tensor) {
  nlohmann::ordered_json json;
  json["name"] = tensor.name();
  json["dtype"] = tensor.dtype();
  json["shape"] = std::vector<uint64_t>(tensor.shape().begin(), tensor.shape().end());
  json["codec"] = CodecName(tensor.codec());
  json["tensor_offset_bytes"] = tensor.tensor_offset_bytes();
  json["size_bytes"] = tensor.size_bytes();
  json["decoded_offset_bytes"] = tensor.decoded_offset_bytes();
  json["stored_offset_bytes"] = tensor.stored_offset_bytes();
  json["stored_size_bytes"] = tensor.stored_size_bytes();
  json["decoded_xxh3"] = Hex(tensor.decoded_xxh3());
  if (tensor.chunk_xxh3().empty()) return json;
  auto& chunks = json["chunks"] = nlohmann::ordered_json::array();
  for (int i = 0; i < tensor.chunk_xxh3_size() && i < tensor.chunk_stored_size_bytes_size(); ++i) {
    chunks.push_back({{"stored_size_bytes", tensor.chunk_stored_size_bytes(i)},
                      {"xxh3", Hex(tensor.chunk_xxh3(i))}});
  }
  return json;
}

}  // namespace

nlohmann::ordered_json ToJson(const v1::Model& model) {
  nlohmann::ordered_json json;
  json["name"] = model.name();
  json["digest"] = model.digest();
  json["decoded_size_bytes"] = model.decoded_size_bytes();
  json["stored_size_bytes"] = model.stored_size_bytes();
  json["unit_count"] = model.unit_count();
  json["tensor_count"] = model.tensor_count();
  return json;
}

nlohmann::ordered_json ToJson(const v1::Unit& unit) {
  nlohmann::ordered_json json;
  json["index"] = unit.index();
  json["id"] = unit.id();
  json["stored_size_bytes"] = unit.stored_size_bytes();
  json["decoded_size_bytes"] = unit.decoded_size_bytes();
  json["stored_xxh3"] = Hex(unit.stored_xxh3());
  if (!unit.table_sets().empty()) {
    json["tables_xxh3"] = Hex(unit.tables_xxh3());
    auto& sets = json["table_sets"] = nlohmann::ordered_json::array();
    for (const v1::TableSet& set : unit.table_sets()) {
      sets.push_back({{"codec", CodecName(set.codec())}, {"table_count", set.table_count()}});
    }
  }
  auto& tensors = json["tensors"] = nlohmann::ordered_json::array();
  for (const v1::Tensor& tensor : unit.tensors()) tensors.push_back(ToJson(tensor));
  return json;
}

nlohmann::ordered_json ToJson(const v1::GetStatusResponse& status) {
  const auto tier = [](const v1::Tier& t) {
    nlohmann::ordered_json json = {{"capacity_bytes", t.capacity_bytes()},
                                   {"free_bytes", t.free_bytes()},
                                   {"units", t.units()},
                                   {"hits", t.hits()},
                                   {"misses", t.misses()},
                                   {"evictions", t.evictions()},
                                   {"granted_bytes", t.granted_bytes()}};
    auto& pinned = json["pinned"] = nlohmann::ordered_json::array();
    for (const v1::PinnedModel& model : t.pinned()) {
      pinned.push_back(
          {{"model", model.model()}, {"units", model.units()}, {"bytes", model.bytes()}});
    }
    return json;
  };
  const v1::Reader& reader = status.reader();
  const v1::Pipeline& pipeline = status.pipeline();
  return {{"uptime_ms", status.uptime_ms()},
          {"streams", status.streams()},
          {"host", tier(status.host())},
          {"device", tier(status.device())},
          {"slots", tier(status.slots())},
          {"reader",
           {{"kind", reader.kind()},
            {"fallback_reason", reader.fallback_reason()},
            {"queue_depth", reader.queue_depth()},
            {"in_flight", reader.in_flight()},
            {"direct_files", reader.direct_files()},
            {"buffered_files", reader.buffered_files()},
            {"registered_bytes", reader.registered_bytes()}}},
          {"pipeline",
           {{"requests", pipeline.requests()},
            {"waiting_demand", pipeline.waiting_demand()},
            {"waiting_hinted", pipeline.waiting_hinted()},
            {"waiting_preload", pipeline.waiting_preload()},
            {"active_units", pipeline.active_units()},
            {"jobs_in_flight", pipeline.jobs_in_flight()},
            {"read_bytes", pipeline.read_bytes()},
            {"verified_bytes", pipeline.verified_bytes()},
            {"copied_bytes", pipeline.copied_bytes()},
            {"decoded_bytes", pipeline.decoded_bytes()},
            {"verify_ns", pipeline.verify_ns()},
            {"copy_ns", pipeline.copy_ns()},
            {"decode_ns", pipeline.decode_ns()},
            {"failed_units", pipeline.failed_units()},
            {"revoked_holds", pipeline.revoked_holds()}}},
          {"kept",
           {{"units", status.kept().units()},
            {"bytes", status.kept().bytes()},
            {"bad_units", status.kept().bad_units()}}}};
}

}  // namespace ecf8
