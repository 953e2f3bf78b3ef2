#include "tests/emulation/traffic_counter.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <set>
#include <vector>

#include "tests/emulation/warp_emulator.h"

namespace ecf8::emulation {
namespace {

constexpr size_t kWavefrontBytes = 128;
constexpr size_t kBankBytes = 4;
constexpr size_t kBanks = kWavefrontBytes / kBankBytes;

}  // namespace

void TrafficCounter::Start(size_t tables_offset) {
  counting_ = true;
  tables_offset_ = tables_offset;
  counts_ = {};
  accesses_.clear();
}

TrafficCounts TrafficCounter::Stop() {
  counting_ = false;
  return counts_;
}

void TrafficCounter::AddShared(uint32_t thread, size_t offset, size_t size, bool write) {
  Traffic* traffic = write                     ? &counts_.shared_stores
                     : offset < tables_offset_ ? &counts_.word_loads
                                               : &counts_.table_loads;
  Add(thread, {traffic, offset, size});
}

void TrafficCounter::AddGlobal(uint32_t thread, uintptr_t address, size_t size,
                               GlobalAccess access) {
  switch (access) {
    case GlobalAccess::kLoad:
      return Add(thread, {&counts_.global_loads, address, size});
    case GlobalAccess::kStore:
      return Add(thread, {&counts_.global_stores, address, size});
    case GlobalAccess::kPrefetch:
      // No data comes to the multiprocessor: one pass a request, as an H100 counted (docs/GPU.md).
      return Add(thread, {&counts_.prefetches, 0, 1});
  }
}

void TrafficCounter::Add(uint32_t thread, const Access& access) {
  if (accesses_.size() <= thread) accesses_.resize(thread + 1);
  accesses_[thread].push_back(access);
}

// Lanes that load more than 4 bytes are served half a warp or a quarter at a time, so that a pass
// is never asked for more than 128 bytes. The L1 cache is the same memory as shared memory, with
// the same banks; lines side by side have their tags in different sets, so that they are found at
// once.
uint64_t TrafficCounter::Wavefronts(const std::vector<Access>& request) {
  const size_t lanes = kWavefrontBytes / std::max(request[0].size, kBankBytes);
  uint64_t wavefronts = 0;
  for (size_t begin = 0; begin < request.size(); begin += lanes) {
    const size_t end = std::min(begin + lanes, request.size());
    // Different words of a bank, one after the other.
    std::array<std::set<size_t>, kBanks> words;
    size_t most = 0;
    for (size_t i = begin; i < end; ++i) {
      for (size_t at = 0; at < request[i].size; at += kBankBytes) {
        const size_t word = (request[i].address + at) / kBankBytes;
        std::set<size_t>& of_bank = words[word % kBanks];
        of_bank.insert(word);
        most = std::max(most, of_bank.size());
      }
    }
    wavefronts += most;
  }
  return wavefronts;
}

void TrafficCounter::EndRequests(uint32_t warp) {
  const size_t first = size_t{warp} * kWarpLanes;
  const size_t end = std::min(first + kWarpLanes, accesses_.size());
  for (size_t n = 0;; ++n) {
    std::vector<Access> request;
    for (size_t thread = first; thread < end; ++thread) {
      if (n < accesses_[thread].size()) request.push_back(accesses_[thread][n]);
    }
    if (request.empty()) break;
    ++request[0].traffic->requests;
    request[0].traffic->wavefronts += Wavefronts(request);
  }
  for (size_t thread = first; thread < end; ++thread) accesses_[thread].clear();
}

}  // namespace ecf8::emulation
