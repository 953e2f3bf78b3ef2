// XXH3-64 (seed 0), the checksum of everything that ECF8 stores. As an integer; on disk
// little-endian.
#ifndef ECF8_DECODER_CHECKSUM_H_
#define ECF8_DECODER_CHECKSUM_H_

#include <cstdint>
#include <memory>

#include "absl/types/span.h"

namespace ecf8 {

// The hash of `bytes` (any length, no alignment needed). Thread-safe.
uint64_t Xxh3(absl::Span<const uint8_t> bytes);

// The same hash over bytes that come in pieces, however they are cut. Thread-compatible. Movable;
// a moved-from object may only be destroyed or assigned to.
class Xxh3Stream {
 public:
  Xxh3Stream();
  ~Xxh3Stream();
  Xxh3Stream(Xxh3Stream&&) noexcept;
  Xxh3Stream& operator=(Xxh3Stream&&) noexcept;

  void Update(absl::Span<const uint8_t> bytes);

  // The hash of all bytes so far. More may follow.
  uint64_t Digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ecf8

#endif  // ECF8_DECODER_CHECKSUM_H_
