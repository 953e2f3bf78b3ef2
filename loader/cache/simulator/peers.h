// The policies that ours is compared with. None knows models or layers.
#ifndef ECF8_LOADER_CACHE_SIMULATOR_PEERS_H_
#define ECF8_LOADER_CACHE_SIMULATOR_PEERS_H_

#include <cstdint>
#include <memory>

#include "loader/cache/cache_policy.h"
#include "loader/cache/trace.h"

namespace ecf8 {

// Evicts what was asked for the longest time ago. Admits everything.
std::unique_ptr<CachePolicy> MakeLruPolicy();

// Evicts what was asked for least often since the beginning (counts outlive the stay), among equals
// the longest ago. Admits everything.
std::unique_ptr<CachePolicy> MakeLfuPolicy();

// S3-FIFO: a small queue of a tenth of the budget, a main queue with two-bit counters, a ghost
// queue that remembers as much as the main one may hold. Yang, Zhang, Qiu, Yue, Vigfusson, "FIFO
// Queues are All You Need for Cache Eviction", SOSP 2023, algorithm 1. Admits everything.
std::unique_ptr<CachePolicy> MakeS3FifoPolicy(uint64_t budget_bytes);

// Belady's MIN with bypass: knows the future, evicts what is needed latest and does not admit what
// is needed later still. Optimal for units of one size; with several sizes a bound in name only.
// Belady, "A study of replacement algorithms for a virtual-storage computer", IBM Systems Journal
// 5(2), 1966. Must be told the accesses of `trace`, in order; keeps nothing of it.
std::unique_ptr<CachePolicy> MakeBeladyPolicy(const Trace& trace);

}  // namespace ecf8

#endif  // ECF8_LOADER_CACHE_SIMULATOR_PEERS_H_
