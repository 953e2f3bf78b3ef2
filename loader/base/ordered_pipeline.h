// A bounded parallel map whose results are consumed in order.
//
//   std::vector<Slot> slots(kInFlight);
//   OrderedJob job;
//   job.item_count = chunks.size();
//   job.threads = 8;
//   job.max_in_flight = kInFlight;
//   job.work = [&](size_t i, int worker) { return Encode(chunks[i], slots[i % kInFlight]); };
//   job.consume = [&](size_t i) { return file.WriteAt(..., slots[i % kInFlight]); };
//   ECF8_RETURN_IF_ERROR(RunOrdered(job));
#ifndef ECF8_LOADER_BASE_ORDERED_PIPELINE_H_
#define ECF8_LOADER_BASE_ORDERED_PIPELINE_H_

#include <atomic>
#include <cstddef>
#include <functional>

#include "absl/status/status.h"

namespace ecf8 {

struct OrderedJob {
  size_t item_count = 0;
  int threads = 1;           // that run `work`; less than 1 is taken as 1
  size_t max_in_flight = 1;  // items that are begun and not yet consumed; 0 is taken as 1

  // Runs on worker `worker` of 0 .. threads-1, begun in order of index. work(i) begins only after
  // consume(i - max_in_flight) has returned: two items in flight never have the same index modulo
  // max_in_flight, so that a ring of so many slots needs no lock.
  std::function<absl::Status(size_t index, int worker)> work;

  // Runs on the calling thread, for every index in order, after its work; sees all that work(index)
  // wrote.
  std::function<absl::Status(size_t index)> consume;

  // Looked at between items; may be set from a signal handler. May be null.
  const std::atomic<bool>* cancel = nullptr;
};

// Returns when every item is consumed or the first error, by index, is known; CANCELLED when
// `cancel` was seen; RESOURCE_EXHAUSTED where the system has no thread to give. After an error no
// further item is begun, and nothing at or beyond the failed index is consumed. All threads are
// joined.
absl::Status RunOrdered(const OrderedJob& job);

}  // namespace ecf8

#endif  // ECF8_LOADER_BASE_ORDERED_PIPELINE_H_
