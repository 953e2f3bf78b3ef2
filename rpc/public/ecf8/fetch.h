// What a fetch asks for, and what it returns.
#ifndef ECF8_FETCH_H_
#define ECF8_FETCH_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "ecf8/export.h"
#include "ecf8/model.h"

namespace ecf8 {

struct FetchRequest {
  std::string model{};
  // Of the weights that are wanted; other ones are FAILED_PRECONDITION. Empty: those served.
  std::string digest{};
  std::vector<std::string> units{};    // by id; no units and no tensors: the whole model
  std::vector<std::string> tensors{};  // by name; each comes within its unit or units
  Form form = Form::kDecoded;
  // The bytes travel as they are stored, a sixth less, and this process decodes them, on the
  // thread that calls. Of kStored: decode them as well, to check what they decode to.
  bool decode_here = false;
  std::string request_id{};  // free text of at most 64 bytes, for the daemon's log
};

// Takes what a fetch brings, on the thread that called, unit by unit. Each may be empty; an error
// from one ends the fetch and is its result.
struct FetchCallbacks {
  // Of the selected tensors only. It stays where it is until the unit's end.
  std::function<absl::Status(const UnitInfo& unit)> on_begin{};
  // The next bytes, in order: `offset_bytes` is in the unit, in the layout of the form. They are
  // what the daemon has sent; that they are the tensor's is known at the unit's end.
  std::function<absl::Status(const UnitInfo& unit, uint64_t offset_bytes,
                             absl::Span<const uint8_t> bytes)>
      on_bytes{};
  // All of the unit has come, and every checksum holds.
  std::function<absl::Status(const UnitInfo& unit)> on_end{};
};

// Bytes that came. Movable.
class ECF8_EXPORT WeightBuffer {
 public:
  WeightBuffer();
  ~WeightBuffer();
  WeightBuffer(WeightBuffer&& other) noexcept;
  WeightBuffer& operator=(WeightBuffer&& other) noexcept;

  absl::Span<const uint8_t> bytes() const { return {data_.get(), size_bytes_}; }
  absl::Span<uint8_t> bytes() { return {data_.get(), size_bytes_}; }

 private:
  friend class Client;
  WeightBuffer(std::unique_ptr<uint8_t[]> data, uint64_t size_bytes);

  std::unique_ptr<uint8_t[]> data_;
  uint64_t size_bytes_ = 0;
};

struct FetchedUnit {
  UnitInfo unit;
  WeightBuffer buffer;  // in the layout of the form; gaps between tensors are zero

  // Of a decoded unit; empty, its data() null, where there is no such tensor.
  absl::Span<const uint8_t> tensor(std::string_view name) const {
    const TensorInfo* const found = unit.FindTensor(name);
    if (found == nullptr) return {};
    return buffer.bytes().subspan(found->decoded_offset_bytes, found->size_bytes);
  }
};

struct FetchedTensor {
  std::string dtype;
  std::vector<uint64_t> shape;
  WeightBuffer buffer;
};

}  // namespace ecf8

#endif  // ECF8_FETCH_H_
