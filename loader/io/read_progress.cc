#include "loader/io/read_progress.h"

#include <algorithm>
#include <cassert>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "loader/base/file.h"
#include "loader/base/strings.h"

namespace ecf8 {
namespace {

uint32_t RoundedUp(uint32_t bytes) { return (bytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes; }

}  // namespace

ReadProgress::ReadProgress(const BlockRead& read, bool direct) : read_(read), direct_(direct) {
  assert(read.size_bytes >= 1 && read.size_bytes <= kMaxReadBytes);
  assert(read.offset_bytes % kBlockBytes == 0);
  assert(read.data != nullptr && reinterpret_cast<uintptr_t>(read.data) % kBlockBytes == 0);
}

absl::Span<uint8_t> ReadProgress::memory() const {
  const uint32_t missing_bytes = read_.size_bytes - done_bytes_;
  return {read_.data + done_bytes_, direct_ ? RoundedUp(missing_bytes) : missing_bytes};
}

std::optional<absl::Status> ReadProgress::OnResult(int64_t result, std::string_view name) {
  if (result < 0) return OnError(static_cast<int>(-result), name);
  if (result == 0) return EndsEarly(offset_bytes(), name);
  assert(static_cast<uint64_t>(result) <= memory().size());
  const uint32_t arrived_bytes = done_bytes_ + static_cast<uint32_t>(result);
  if (arrived_bytes >= read_.size_bytes) return absl::OkStatus();
  const uint32_t kept_bytes = direct_ ? arrived_bytes / kBlockBytes * kBlockBytes : arrived_bytes;
  if (kept_bytes > done_bytes_) {
    done_bytes_ = kept_bytes;
    fruitless_ = 0;
    return std::nullopt;
  }
  // Part of a block, again and again: there the file ends.
  furthest_bytes_ = std::max(furthest_bytes_, arrived_bytes);
  if (++fruitless_ <= kMaxFruitless) return std::nullopt;
  return EndsEarly(read_.offset_bytes + furthest_bytes_, name);
}

std::optional<absl::Status> ReadProgress::OnError(int error, std::string_view name) {
  const bool again = error == EINTR || error == EAGAIN;
  if (again && ++fruitless_ <= kMaxFruitless) return std::nullopt;
  const std::string what =
      absl::StrCat("cannot read ", Quoted(name), " at offset ", offset_bytes());
  if (again) return absl::UnavailableError(absl::StrCat(what, ": interrupted too often"));
  return ErrnoStatus(error, what);
}

absl::Status ReadProgress::EndsEarly(uint64_t end_bytes, std::string_view name) const {
  return absl::DataLossError(absl::StrCat(Quoted(name), " ends at offset ", end_bytes,
                                          ", within the ", read_.size_bytes,
                                          " bytes to be read from ", read_.offset_bytes));
}

}  // namespace ecf8
