#include "rpc/status.h"

namespace ecf8 {
namespace {

void FillTier(const TierStats& tier, v1::Tier* out) {
  out->set_capacity_bytes(tier.capacity_bytes);
  out->set_free_bytes(tier.free_bytes);
  out->set_units(tier.units);
  out->set_hits(tier.hits);
  out->set_misses(tier.misses);
  out->set_evictions(tier.evictions);
}

// What is pinned in slots in two forms is told as one.
v1::PinnedModel* PinnedOf(const std::string& model, v1::Tier* tier) {
  for (v1::PinnedModel& pinned : *tier->mutable_pinned()) {
    if (pinned.model() == model) return &pinned;
  }
  v1::PinnedModel* const pinned = tier->add_pinned();
  pinned->set_model(model);
  return pinned;
}

void FillPins(const Engine& engine, const Principal& caller, v1::GetStatusResponse* out) {
  for (const PinnedModel& pin : engine.pins()) {
    if (!caller.MaySee(pin.model)) continue;
    v1::Tier* const tier = pin.tier == Tier::kHost     ? out->mutable_host()
                           : pin.tier == Tier::kDevice ? out->mutable_device()
                                                       : out->mutable_slots();
    v1::PinnedModel* const pinned = PinnedOf(pin.model, tier);
    pinned->set_units(pinned->units() + pin.pinned.units);
    pinned->set_bytes(pinned->bytes() + pin.pinned.bytes);
  }
  out->mutable_slots()->set_granted_bytes(engine.slot_grants().granted_bytes());
}

void FillReader(const BlockReaderInfo& reader, v1::Reader* out) {
  out->set_kind(reader.kind);
  out->set_fallback_reason(reader.fallback_reason);
  out->set_queue_depth(reader.queue_depth);
  out->set_in_flight(reader.in_flight);
  out->set_direct_files(reader.direct_files);
  out->set_buffered_files(reader.buffered_files);
  out->set_registered_bytes(reader.registered_bytes);
}

void FillPipeline(const EngineStats& stats, v1::Pipeline* out) {
  out->set_requests(stats.requests);
  out->set_waiting_demand(stats.waiting[static_cast<size_t>(Priority::kDemand)]);
  out->set_waiting_hinted(stats.waiting[static_cast<size_t>(Priority::kHinted)]);
  out->set_waiting_preload(stats.waiting[static_cast<size_t>(Priority::kPreload)]);
  out->set_active_units(stats.active_units);
  out->set_jobs_in_flight(stats.jobs_in_flight);
  out->set_read_bytes(stats.read_bytes);
  out->set_verified_bytes(stats.verified_bytes);
  out->set_decoded_bytes(stats.decoded_bytes);
  out->set_verify_ns(stats.verify_ns);
  out->set_decode_ns(stats.decode_ns);
  out->set_failed_units(stats.failed_units);
  out->set_revoked_holds(stats.revoked_holds);
  out->set_copied_bytes(stats.copied_bytes);
  out->set_copy_ns(stats.copy_ns);
}

}  // namespace

void FillStatus(const Engine& engine, const Principal& caller, v1::GetStatusResponse* out) {
  const EngineStats stats = engine.stats();
  FillTier(stats.host, out->mutable_host());
  FillTier(stats.device, out->mutable_device());
  FillTier(stats.slots, out->mutable_slots());
  FillPins(engine, caller, out);
  FillReader(engine.reader_info(), out->mutable_reader());
  FillPipeline(stats, out->mutable_pipeline());
  out->mutable_kept()->set_units(stats.kept_units);
  out->mutable_kept()->set_bytes(stats.kept_bytes);
  out->mutable_kept()->set_bad_units(stats.bad_kept_units);
}

}  // namespace ecf8
