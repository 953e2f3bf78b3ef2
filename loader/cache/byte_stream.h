// Little-endian fields, one after the other: what the cache's files are made of.
#ifndef ECF8_LOADER_CACHE_BYTE_STREAM_H_
#define ECF8_LOADER_CACHE_BYTE_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "decoder/endian.h"

namespace ecf8 {

// Reads fields from untrusted bytes. Past the end every field is 0 or empty and ok() is false.
// `bytes` must outlive it.
class ByteReader {
 public:
  explicit ByteReader(absl::Span<const uint8_t> bytes) : left_(bytes) {}

  bool ok() const { return ok_; }
  size_t left() const { return left_.size(); }

  uint8_t U8() {
    const uint8_t* p = Take(1);
    return p == nullptr ? uint8_t{0} : *p;
  }
  uint16_t U16() {
    const uint8_t* p = Take(2);
    return p == nullptr ? uint16_t{0} : LoadLe16(p);
  }
  uint32_t U32() {
    const uint8_t* p = Take(4);
    return p == nullptr ? 0 : LoadLe32(p);
  }
  uint64_t U64() {
    const uint8_t* p = Take(8);
    return p == nullptr ? 0 : LoadLe64(p);
  }
  std::string Text(size_t size_bytes) {
    const uint8_t* p = Take(size_bytes);
    return p == nullptr ? std::string() : std::string(reinterpret_cast<const char*>(p), size_bytes);
  }

 private:
  const uint8_t* Take(size_t size_bytes) {
    if (!ok_ || left_.size() < size_bytes) {
      ok_ = false;
      return nullptr;
    }
    const uint8_t* p = left_.data();
    left_.remove_prefix(size_bytes);
    return p;
  }

  absl::Span<const uint8_t> left_;
  bool ok_ = true;
};

class ByteWriter {
 public:
  void U8(uint8_t value) { bytes_.push_back(value); }
  void U16(uint16_t value) { StoreLe16(Grow(2), value); }
  void U32(uint32_t value) { StoreLe32(Grow(4), value); }
  void U64(uint64_t value) { StoreLe64(Grow(8), value); }
  void Text(std::string_view text) { bytes_.insert(bytes_.end(), text.begin(), text.end()); }
  void Bytes(absl::Span<const uint8_t> bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }

  const std::vector<uint8_t>& bytes() const { return bytes_; }
  std::vector<uint8_t> Take() && { return std::move(bytes_); }

 private:
  uint8_t* Grow(size_t size_bytes) {
    bytes_.resize(bytes_.size() + size_bytes);
    return bytes_.data() + bytes_.size() - size_bytes;
  }

  std::vector<uint8_t> bytes_;
};

// All of a file of at most `limit_bytes`; RESOURCE_EXHAUSTED for a larger one, else File's errors.
absl::StatusOr<std::vector<uint8_t>> ReadWhole(const std::string& path, uint64_t limit_bytes);

}  // namespace ecf8

#endif  // ECF8_LOADER_CACHE_BYTE_STREAM_H_
