// What the engine has in flight with the reader or the device, by tag.
#ifndef ECF8_LOADER_ENGINE_OPERATION_TABLE_H_
#define ECF8_LOADER_ENGINE_OPERATION_TABLE_H_

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "loader/engine/unit_state.h"

namespace ecf8 {

struct Operation {
  UnitState* unit = nullptr;
  uint32_t first = 0;                 // the read's number, or the job's first part
  uint32_t count = 0;                 // of the job's parts
  UnitForm form = UnitForm::kStored;  // that the job makes; kStored: it checks alone
  bool reads_frames = false;          // of the device, instead of host memory
};

// As large as the most that was in flight at once. Thread-compatible.
class OperationTable {
 public:
  // Returns its tag.
  uint64_t Add(const Operation& operation) {
    ++in_use_;
    if (free_.empty()) {
      slots_.push_back(operation);
      return slots_.size() - 1;
    }
    const uint64_t tag = free_.back();
    free_.pop_back();
    slots_[tag] = operation;
    return tag;
  }

  Operation Take(uint64_t tag) {
    assert(in_use_ > 0 && tag < slots_.size() && slots_[tag].unit != nullptr);
    --in_use_;
    free_.push_back(tag);
    return std::exchange(slots_[tag], {});
  }

  size_t in_use() const { return in_use_; }

 private:
  std::vector<Operation> slots_;
  std::vector<uint64_t> free_;
  size_t in_use_ = 0;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_ENGINE_OPERATION_TABLE_H_
