// Traces as models make them, from a seed: the same on every machine.
#ifndef ECF8_LOADER_CACHE_SIMULATOR_GENERATORS_H_
#define ECF8_LOADER_CACHE_SIMULATOR_GENERATORS_H_

#include <cstdint>
#include <vector>

#include "loader/cache/trace.h"

namespace ecf8 {

// A mixture-of-experts model: a pass over it uses, layer by layer, the layer's dense unit and some
// of its experts. In DeepSeek-V3, 58 such layers have 256 experts each, 8 for a token.
struct ExpertShape {
  uint32_t layers = 58;
  uint32_t experts = 256;  // a layer; 0: a dense model
  uint32_t experts_per_token = 8;
  uint64_t expert_bytes = 1;  // stored; decoded the same
  uint64_t dense_bytes = 0;   // of a layer's dense unit; 0: the trace has none
};

// Which experts the tokens choose.
struct ExpertTraffic {
  enum class Kind : uint8_t {
    // Expert r of a layer's own, random order has the probability ~ 1/r^skew, again and again; the
    // experts of a token are drawn without replacement. With drift_tokens, a share of each layer's
    // experts exchange their ranks at random after so many tokens.
    kZipf,
    // Recency decides: the experts of a token are drawn by their place in the layer's order of last
    // use (an LRU stack model: Spirn, "Program Behavior: Models and Measurements", 1977), with
    // probabilities that fit what is published of real models: 41 % of a token's experts are those
    // of the token before, LRU over 64 of 256 hits 67 %, over 128 81 %, and the 16 that are used
    // most cover 10 %. For 256 experts, 8 a token.
    kLocality,
  };
  Kind kind = Kind::kZipf;
  double skew = 1.0;
  uint32_t drift_tokens = 0;  // 0: never
  double drift_share = 1;     // of the experts
  uint32_t scan_tokens = 0;   // before every so many tokens a prefill uses all experts; 0: never
};

// From an access on: all experts, the likeliest first; of each rank, the lowest layer's first.
struct Phase {
  uint64_t first_record = 0;
  std::vector<uint32_t> likeliest;  // units of the walk
};

struct GeneratedTrace {
  Trace trace;
  std::vector<Phase> phases;  // kZipf only
};

// `tokens` passes over the model.
GeneratedTrace GenerateExpertTrace(const ExpertShape& shape, const ExpertTraffic& traffic,
                                   uint32_t tokens, uint64_t seed);

// `passes` over a dense model of `units` units of `unit_bytes`.
Trace GenerateCyclicTrace(uint32_t units, uint64_t unit_bytes, uint32_t passes);

// Two traces as one: the models of `b` after those of `a`. Runs of passes over the one and the
// other alternate, each with `run_passes` passes; with 1, the next pass is `a`'s with the
// probability `share_of_a`. Ends when one has no pass left.
Trace MixTraces(const Trace& a, const Trace& b, uint32_t run_passes, double share_of_a,
                uint64_t seed);

}  // namespace ecf8

#endif  // ECF8_LOADER_CACHE_SIMULATOR_GENERATORS_H_
