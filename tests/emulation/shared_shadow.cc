#include "tests/emulation/shared_shadow.h"

#include <cstddef>
#include <cstdint>

namespace ecf8::emulation {

void SharedShadow::Reset(size_t size) { bytes_.assign(size, Byte{}); }

bool SharedShadow::Ordered(const Accessor& before, const Accessor& now) {
  return before.thread == now.thread || before.block_barriers < now.block_barriers ||
         (before.warp == now.warp && before.warp_barriers < now.warp_barriers);
}

void SharedShadow::AddReader(const Accessor& by, Accessor* reader) {
  if (reader->thread == kNobody || reader->block_barriers < by.block_barriers ||
      (reader->warp == by.warp && reader->warp_barriers < by.warp_barriers)) {
    // Later barriers order what comes after them with earlier readers too.
    *reader = by;
    return;
  }
  if (reader->thread != by.thread) reader->thread = kSeveral;
  if (reader->warp != by.warp) reader->warp = kSeveral;
}

const char* SharedShadow::Read(size_t offset, size_t size, const Accessor& by) {
  for (size_t i = offset; i < offset + size; ++i) {
    if (bytes_[i].writer.thread == kNobody) return "read of shared memory that nobody wrote";
    if (!Ordered(bytes_[i].writer, by)) {
      return "race: read of shared memory that another thread wrote since the last barrier";
    }
    AddReader(by, &bytes_[i].reader);
  }
  return nullptr;
}

const char* SharedShadow::Write(size_t offset, size_t size, const Accessor& by) {
  for (size_t i = offset; i < offset + size; ++i) {
    Byte& byte = bytes_[i];
    if (byte.writer.thread != kNobody && !Ordered(byte.writer, by)) {
      return "race: write of shared memory that another thread wrote since the last barrier";
    }
    if (byte.reader.thread != kNobody && !Ordered(byte.reader, by)) {
      return "race: write of shared memory that another thread read since the last barrier";
    }
    byte.writer = by;
    byte.reader.thread = kNobody;
  }
  return nullptr;
}

}  // namespace ecf8::emulation
