#include "loader/planning/plan.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace ecf8 {
namespace {

// What passes through the device is there twice, decoded: in use, and on its way. Of a layer's
// experts so many at once, as each is done with when it has been multiplied by.
constexpr double kRingLayers = 2;
constexpr double kRingExperts = 16;
constexpr double kFlopsPerWeight = 2;

// The rows of one plan.
class RowMaker {
 public:
  RowMaker(const ModelShape& model, const Hardware& hardware, const PlanOptions& options,
           ExpertHits& hits)
      : model_(model),
        hardware_(hardware),
        options_(options),
        keeps_decoded_(hardware.host_to_device_rate == 0),
        hits_(hits) {}

  double Stored(const PartShape& part) const {
    return options_.compressed ? part.StoredBytes(model_.bits_per_weight)
                               : static_cast<double>(part.decoded_bytes());
  }
  static double Decoded(const PartShape& part) { return static_cast<double>(part.decoded_bytes()); }

  double AllStored() const {
    return Stored(model_.lookup) + Stored(model_.every_token) + Stored(model_.next_token) +
           Stored(model_.all_experts());
  }

  PlanRow Row(uint32_t batch) {
    PlanRow row;
    row.batch = batch;
    row.distinct_experts = model_.experts > 0 ? hits_.Distinct(batch) : 0;
    const double room = static_cast<double>(hardware_.device_memory_bytes) -
                        static_cast<double>(model_.cache_token_bytes) *
                            static_cast<double>(options_.context_tokens) * batch;
    if (!Place(room, &row)) return row;
    row.fits = true;
    Move(&row);
    Time(&row);
    return row;
  }

 private:
  // The decoded weights that pass through the device at once.
  double RingBytes(const PlanRow& row) const {
    const double layer = Decoded(model_.every_token) / std::max(model_.layers, 1u) +
                         std::min(row.distinct_experts, kRingExperts) * Decoded(model_.expert);
    return kRingLayers * layer;
  }

  // What lies where. False where the device is too small for the batch.
  bool Place(double room, PlanRow* row) {
    const double used_decoded = Decoded(model_.every_token) + Decoded(model_.all_experts());
    if (used_decoded <= room) {
      row->resident_decoded_bytes = used_decoded;
      dense_on_device_ = experts_on_device_ = 1;
      all_decoded_ = dense_decoded_ = true;
      return true;
    }
    room -= RingBytes(*row);
    if (room < 0) return false;
    all_decoded_ = false;
    // What every token uses comes first. A GPU has it decoded if it fits and there are experts to
    // need its processors; else compressed, as far as it goes. Experts it has compressed: decoding
    // costs it less than the room. A host's memory holds both, so it keeps what is decoded.
    const double dense_decoded = Decoded(model_.every_token);
    dense_decoded_ = keeps_decoded_ || (model_.experts > 0 && dense_decoded <= room);
    dense_on_device_ =
        Take(dense_decoded_ ? dense_decoded : Stored(model_.every_token),
             dense_decoded_ ? &row->resident_decoded_bytes : &row->resident_stored_bytes, &room);
    experts_on_device_ =
        Take(keeps_decoded_ ? Decoded(model_.all_experts()) : Stored(model_.all_experts()),
             keeps_decoded_ ? &row->resident_decoded_bytes : &row->resident_stored_bytes, &room);
    return true;
  }

  // Gives so many bytes what room there is; returns their share that has it.
  static double Take(double bytes, double* resident_bytes, double* room) {
    if (bytes <= 0) return 1;
    const double taken = std::min(bytes, *room);
    *resident_bytes += taken;
    *room -= taken;
    return taken / bytes;
  }

  // What a step brings to the device.
  void Move(PlanRow* row) {
    if (all_decoded_) {
      row->device_hit_rate = row->memory_hit_rate = 1;
      return;
    }
    const double dense_stored = Stored(model_.every_token);
    const double experts_stored = Stored(model_.all_experts());
    // Host memory has the embeddings, then what the device has not got of the rest.
    double host = static_cast<double>(hardware_.host_memory_bytes) - Stored(model_.lookup);
    const double dense_left = (1 - dense_on_device_) * dense_stored;
    const double dense_in_host = std::clamp(host, 0.0, dense_left);
    host = std::max(0.0, host - dense_in_host);
    const double experts_in_host = std::min(host, (1 - experts_on_device_) * experts_stored);
    row->host_bytes = dense_in_host + experts_in_host + Stored(model_.lookup);

    row->device_hit_rate = row->memory_hit_rate = 1;
    if (model_.experts > 0) {
      row->device_hit_rate =
          options_.device_hit_rate.value_or(hits_.HitRate(experts_on_device_, row->batch));
      const double in_memory = experts_on_device_ + experts_in_host / experts_stored;
      row->memory_hit_rate = std::max(row->device_hit_rate, hits_.HitRate(in_memory, row->batch));
    }
    const double used = row->distinct_experts * model_.expert_layers;
    const double expert = Stored(model_.expert);
    row->bus_bytes = dense_left + used * expert * (1 - row->device_hit_rate);
    row->disk_bytes = dense_left - dense_in_host + used * expert * (1 - row->memory_hit_rate);
    if (!options_.compressed) return;
    const double misses = keeps_decoded_ ? 1 - row->device_hit_rate : 1;
    const double dense = dense_decoded_ ? 1 - dense_on_device_ : 1;
    row->decoded_weights = used * misses * Work(model_.expert) + dense * Work(model_.every_token);
  }

  // What there is to decode. A host copies what is stored as it is, about as fast.
  double Work(const PartShape& part) const {
    return static_cast<double>(keeps_decoded_ ? part.decoded_bytes() : part.coded_weights);
  }

  // Layers come in a known order: their bytes overlap with the work of others, and the slowest
  // stage sets the pace. Which experts a layer uses is known when it is computed: what is not on
  // the device then is waited for. Decoding and computing share the device's processors, one after
  // the other.
  void Time(PlanRow* row) const {
    const double weights = Decoded(model_.every_token) +
                           row->distinct_experts * model_.expert_layers * Decoded(model_.expert);
    const double active =
        Decoded(model_.every_token) + static_cast<double>(model_.experts_per_token) *
                                          model_.expert_layers * Decoded(model_.expert);
    const double cache = static_cast<double>(model_.cache_token_bytes) *
                         static_cast<double>(options_.context_tokens) * row->batch;
    const double decode = row->decoded_weights / hardware_.decode_rate;
    const double memory = (weights + cache) / hardware_.device_rate;
    const double compute = kFlopsPerWeight * active * row->batch / hardware_.compute_rate;
    const double bus =
        hardware_.host_to_device_rate > 0 ? row->bus_bytes / hardware_.host_to_device_rate : 0;
    const double disk = row->disk_bytes / hardware_.disk_rate;
    const double device = decode + std::max(memory, compute);
    const double supply = std::max(disk, bus);
    const bool waits = model_.experts > 0 && row->device_hit_rate < 1;
    row->step_seconds = waits ? supply + device : std::max(supply, device);
    row->tokens_per_second = row->batch / row->step_seconds;
    if (supply > device) {
      row->binding = disk > bus ? PlanStage::kDisk : PlanStage::kBus;
    } else if (decode > std::max(memory, compute)) {
      row->binding = PlanStage::kDecode;
    } else {
      row->binding = memory > compute ? PlanStage::kMemory : PlanStage::kCompute;
    }
  }

  const ModelShape& model_;
  const Hardware& hardware_;
  const PlanOptions& options_;
  const bool keeps_decoded_;
  ExpertHits& hits_;
  // Of the row at hand.
  bool all_decoded_ = false;
  bool dense_decoded_ = false;
  double dense_on_device_ = 0;    // the share
  double experts_on_device_ = 0;  //
};

}  // namespace

std::string_view PlanStageName(PlanStage stage) {
  switch (stage) {
    case PlanStage::kDisk:
      return "disk";
    case PlanStage::kBus:
      return "host to device";
    case PlanStage::kDecode:
      return "decoding";
    case PlanStage::kMemory:
      return "device memory";
    case PlanStage::kCompute:
      return "computing";
  }
  return "";
}

Planner::Planner(ModelShape model, double skew)
    : model_(std::move(model)),
      skew_(skew),
      hits_(std::max(model_.experts, 1u), model_.experts_per_token, skew) {}

Plan Planner::MakePlan(const Hardware& hardware, const PlanOptions& options) {
  RowMaker maker(model_, hardware, options, hits_);
  Plan plan;
  plan.stored_bytes = maker.AllStored();
  plan.decoded_bytes = static_cast<double>(model_.decoded_bytes());
  for (const uint32_t batch : options.batches) {
    plan.rows.push_back(maker.Row(batch));
    plan.disk_needed = plan.disk_needed || plan.rows.back().disk_bytes > 0;
  }
  return plan;
}

std::vector<PlanChange> Planner::TryChanges(const Hardware& hardware, const PlanOptions& options) {
  PlanOptions one = options;
  one.batches = {1};
  const auto speed = [&](const Hardware& machine) {
    return MakePlan(machine, one).rows.front().tokens_per_second;
  };
  std::vector<std::pair<std::string, Hardware>> machines;
  const auto change = [&](std::string what, auto apply) {
    Hardware machine = hardware;
    apply(machine);
    machines.emplace_back(std::move(what), std::move(machine));
  };
  change("twice the disk", [](Hardware& machine) { machine.disk_rate *= 2; });
  change("twice the host memory", [](Hardware& machine) { machine.host_memory_bytes *= 2; });
  change("twice the bus", [](Hardware& machine) { machine.host_to_device_rate *= 2; });
  change("twice the device memory", [](Hardware& machine) { machine.device_memory_bytes *= 2; });
  const double now = speed(hardware);
  std::vector<PlanChange> changes;
  for (auto& [what, machine] : machines) {
    changes.push_back({std::move(what), now > 0 ? speed(machine) / now : 0});
  }
  return changes;
}

}  // namespace ecf8
