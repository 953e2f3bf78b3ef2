// The memory of an arena, and the ledger of what lies in it, in files without a name that outlive
// the process: their descriptors wait in a store while it is restarted.
//
//   ECF8_ASSIGN_OR_RETURN(auto kept, KeptMemory::Open(store, size_bytes));
//   ... Arena::Create({.budget_bytes = size_bytes, .fd = kept->fd()}) ...
//   for (const LedgerUnit& unit : kept->units()) ...       // of the process before
//
// What the process before left is taken up as it is, and may be anything: whoever uses it checks it
// first. One thing is seen to here: what the disk may still be writing into memory, for a
// process that was killed, never gets into memory that is used.
#ifndef ECF8_LOADER_MEMORY_KEPT_MEMORY_H_
#define ECF8_LOADER_MEMORY_KEPT_MEMORY_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "loader/base/descriptor.h"
#include "loader/base/descriptor_store.h"
#include "loader/memory/frame_ledger.h"

namespace ecf8 {

// Thread-compatible.
class KeptMemory {
 public:
  // For an arena of `size_bytes`, a multiple of kHugePageBytes. What the store holds is used where
  // it is for just such an arena; else it is removed, and there is new memory, of huge pages
  // where enough are reserved, which the store holds from here on. RESOURCE_EXHAUSTED where there
  // is no memory or descriptor, and the errors of DescriptorStore::Put.
  static absl::StatusOr<std::unique_ptr<KeptMemory>> Open(DescriptorStore& store,
                                                          uint64_t size_bytes);
  // Has the store forget it.
  static void Discard(DescriptorStore& store);

  KeptMemory(const KeptMemory&) = delete;
  KeptMemory& operator=(const KeptMemory&) = delete;
  // The memory stays as it is.
  ~KeptMemory();

  // Of the arena's memory. Sealed: it neither grows nor shrinks.
  int fd() const { return memory_.get(); }
  FrameLedger& ledger() { return *ledger_; }

  // What the process before left: as the ledger told it at the start.
  const std::vector<LedgerUnit>& units() const { return units_; }
  // Why what it left is not used; empty where it is, or there was nothing.
  const std::string& discarded() const { return discarded_; }

 private:
  KeptMemory() = default;

  absl::Status TakeUp(Descriptor memory, Descriptor ledger, uint64_t size_bytes);
  absl::Status MakeNew(DescriptorStore& store, uint64_t size_bytes);
  absl::Status MapLedger(uint64_t size_bytes);
  void ReplaceMarked();

  Descriptor memory_;
  Descriptor ledger_file_;
  absl::Span<uint8_t> ledger_bytes_;
  std::optional<FrameLedger> ledger_;
  std::vector<LedgerUnit> units_;
  std::string discarded_;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_MEMORY_KEPT_MEMORY_H_
