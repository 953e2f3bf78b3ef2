#include "decoder/checksum.h"

#include <cstdint>
#include <memory>

#include "absl/types/span.h"

// XXH3_state_t is complete only so; the library is dynamic all the same, its layout frozen in 0.8.
#define XXH_STATIC_LINKING_ONLY
#include "xxhash.h"

namespace ecf8 {

struct Xxh3Stream::State {
  XXH3_state_t xxh3;
};

uint64_t Xxh3(absl::Span<const uint8_t> bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

Xxh3Stream::Xxh3Stream() : state_(std::make_unique<State>()) { XXH3_64bits_reset(&state_->xxh3); }
Xxh3Stream::~Xxh3Stream() = default;
Xxh3Stream::Xxh3Stream(Xxh3Stream&&) noexcept = default;
Xxh3Stream& Xxh3Stream::operator=(Xxh3Stream&&) noexcept = default;

void Xxh3Stream::Update(absl::Span<const uint8_t> bytes) {
  if (!bytes.empty()) XXH3_64bits_update(&state_->xxh3, bytes.data(), bytes.size());
}

uint64_t Xxh3Stream::Digest() const { return XXH3_64bits_digest(&state_->xxh3); }

}  // namespace ecf8
