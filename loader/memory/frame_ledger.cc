#include "loader/memory/frame_ledger.h"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstring>
#include <map>
#include <utility>

#include "decoder/checksum.h"

namespace ecf8 {
namespace {

constexpr char kMagic[8] = {'e', 'c', 'f', '8', 'l', 'e', 'd', 'g'};
constexpr uint32_t kVersion = 1;
constexpr uint64_t kLedgerHeaderBytes = 4096;

struct Header {
  char magic[8];
  uint32_t version;
  uint32_t record_bytes;
  uint64_t frame_bytes;
  uint64_t frame_count;
  uint64_t xxh3;  // of what is before it
};
static_assert(sizeof(Header) == 40 && offsetof(Header, frame_bytes) == 16 &&
              offsetof(Header, xxh3) == 32);

template <typename Struct>
uint64_t HashOf(const Struct& bytes, size_t size) {
  return Xxh3({reinterpret_cast<const uint8_t*>(&bytes), size});
}

}  // namespace

// In the machine's byte order: no other machine will read it.
struct FrameLedger::Record {
  uint64_t frame;  // where it stands: one that was moved tells nothing
  uint64_t set;    // of the unit's frames; 0: nobody's
  uint64_t model_digest;
  uint64_t stored_size_bytes;
  uint32_t unit_index;
  uint32_t place;  // among the unit's frames
  uint64_t reserved[2];
  uint64_t xxh3;  // of what is before it
};

FrameLedger::FrameLedger(absl::Span<uint8_t> memory, uint64_t frame_bytes, uint64_t frame_count)
    : frame_bytes_(frame_bytes), frame_count_(frame_count) {
  static_assert(sizeof(Record) == 64 && offsetof(Record, unit_index) == 32 &&
                offsetof(Record, reserved) == 40 && offsetof(Record, xxh3) == 56);
  records_ = memory.subspan(kLedgerHeaderBytes, frame_count * sizeof(Record));
  marks_ = memory.subspan(kLedgerHeaderBytes + records_.size(), frame_count);
}

uint64_t FrameLedger::SizeBytes(uint64_t frame_count) {
  return kLedgerHeaderBytes + frame_count * (sizeof(Record) + 1);
}

FrameLedger FrameLedger::Make(absl::Span<uint8_t> memory, uint64_t frame_bytes,
                              uint64_t frame_count) {
  assert(memory.size() == SizeBytes(frame_count));
  Header header{.magic = {},
                .version = kVersion,
                .record_bytes = sizeof(Record),
                .frame_bytes = frame_bytes,
                .frame_count = frame_count,
                .xxh3 = 0};
  std::copy_n(kMagic, sizeof(kMagic), header.magic);
  header.xxh3 = HashOf(header, offsetof(Header, xxh3));
  std::memcpy(memory.data(), &header, sizeof(header));
  return FrameLedger(memory, frame_bytes, frame_count);
}

absl::StatusOr<FrameLedger> FrameLedger::Open(absl::Span<uint8_t> memory, uint64_t frame_bytes,
                                              uint64_t frame_count) {
  Header header;
  if (memory.size() != SizeBytes(frame_count)) {
    return absl::FailedPreconditionError("it is of another size");
  }
  std::memcpy(&header, memory.data(), sizeof(header));
  if (std::memcmp(header.magic, kMagic, sizeof(kMagic)) != 0 ||
      header.xxh3 != HashOf(header, offsetof(Header, xxh3))) {
    return absl::FailedPreconditionError("what tells of it is damaged");
  }
  if (header.version != kVersion || header.record_bytes != sizeof(Record) ||
      header.frame_bytes != frame_bytes || header.frame_count != frame_count) {
    return absl::FailedPreconditionError("it is of another version or layout");
  }
  FrameLedger ledger(memory, frame_bytes, frame_count);
  for (uint64_t frame = 0; frame < frame_count; ++frame) {
    const Record record = ledger.ReadRecord(frame);
    if (ledger.IsWhole(frame, record))
      ledger.next_set_ = std::max(ledger.next_set_, record.set + 1);
  }
  return ledger;
}

FrameLedger::Record FrameLedger::ReadRecord(uint64_t frame) const {
  Record record;
  std::memcpy(&record, records_.data() + frame * sizeof(Record), sizeof(Record));
  return record;
}

void FrameLedger::WriteRecord(uint64_t frame, const Record& record) {
  std::memcpy(records_.data() + frame * sizeof(Record), &record, sizeof(Record));
}

bool FrameLedger::IsWhole(uint64_t frame, const Record& record) const {
  return record.set != 0 && record.frame == frame &&
         record.xxh3 == HashOf(record, offsetof(Record, xxh3));
}

std::vector<LedgerUnit> FrameLedger::Read() const {
  struct Found {
    Record first;
    std::map<uint32_t, uint64_t> frames;  // by place
  };
  std::map<uint64_t, Found> sets;
  for (uint64_t frame = 0; frame < frame_count_; ++frame) {
    const Record record = ReadRecord(frame);
    if (!IsWhole(frame, record)) continue;
    sets.try_emplace(record.set, Found{record, {}})
        .first->second.frames.emplace(record.place, frame);
  }
  std::vector<LedgerUnit> units;
  for (const auto& [set, found] : sets) {
    const uint64_t size_bytes = found.first.stored_size_bytes;
    const uint64_t count = size_bytes / frame_bytes_ + (size_bytes % frame_bytes_ != 0 ? 1 : 0);
    // All places, from the first to the last.
    if (found.frames.size() != count || found.frames.rbegin()->first != count - 1) continue;
    LedgerUnit unit{.model_digest = found.first.model_digest,
                    .unit_index = found.first.unit_index,
                    .stored_size_bytes = size_bytes};
    for (const auto& [place, frame] : found.frames) {
      if (!unit.frames.empty() && unit.frames.back().first + unit.frames.back().count == frame) {
        ++unit.frames.back().count;
      } else {
        unit.frames.push_back({frame, 1});
      }
    }
    units.push_back(std::move(unit));
  }
  std::sort(units.begin(), units.end(), [](const LedgerUnit& a, const LedgerUnit& b) {
    return a.frames.front().first < b.frames.front().first;
  });
  return units;
}

void FrameLedger::Write(const LedgerUnit& unit) {
  const uint64_t set = next_set_++;
  uint32_t place = 0;
  for (const FrameRun& run : unit.frames) {
    for (uint64_t frame = run.first; frame < run.first + run.count; ++frame) {
      Record record{.frame = frame,
                    .set = set,
                    .model_digest = unit.model_digest,
                    .stored_size_bytes = unit.stored_size_bytes,
                    .unit_index = unit.unit_index,
                    .place = place++,
                    .reserved = {},
                    .xxh3 = 0};
      record.xxh3 = HashOf(record, offsetof(Record, xxh3));
      WriteRecord(frame, record);
    }
  }
}

void FrameLedger::Erase(const FrameRuns& frames) {
  for (const FrameRun& run : frames) {
    std::fill_n(records_.begin() + static_cast<ptrdiff_t>(run.first * sizeof(Record)),
                run.count * sizeof(Record), uint8_t{0});
  }
}

void FrameLedger::Mark(FrameRun run, bool reading) {
  std::fill_n(marks_.begin() + static_cast<ptrdiff_t>(run.first), run.count,
              static_cast<uint8_t>(reading));
}

}  // namespace ecf8
