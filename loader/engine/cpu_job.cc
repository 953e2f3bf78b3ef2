#include "loader/engine/cpu_job.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "decoder/checksum.h"
#include "decoder/chunk_decoder.h"
#include "loader/base/clock.h"
#include "loader/engine/stored_bytes.h"

namespace ecf8 {
namespace {

absl::Status DecodeTables(const Unit& unit, absl::Span<const uint8_t> stored,
                          std::unique_ptr<DeviceTables>* out) {
  absl::StatusOr<UnitTables> tables = ParseUnitTables(unit, stored);
  if (!tables.ok()) return tables.status();
  *out = std::make_unique<CpuTables>(*std::move(tables));
  return absl::OkStatus();
}

absl::Status DecodePart(const DeviceJob& job, const UnitPart& part, const DeviceTables* tables,
                        absl::Span<const uint8_t> stored) {
  const Codec codec = job.unit->pieces[part.piece].codec;
  const TableSet* const set =
      tables == nullptr ? nullptr : static_cast<const CpuTables*>(tables)->tables.For(codec);
  const absl::Status status =
      DecodeChunk({codec, stored, part.decoded_size_bytes}, set,
                  {job.slot_dev + part.decoded_offset_bytes, part.decoded_size_bytes});
  if (!absl::IsDataLoss(status)) return status;
  return absl::DataLossError(absl::StrCat("cannot be decoded: ", status.message()));
}

void AddSpan(JobStage stage, int64_t begin_ns, int64_t end_ns, DeviceJobDone* done) {
  if (!done->spans.empty() && done->spans.back().stage == stage) {
    done->spans.back().end_ns = end_ns;
  } else {
    done->spans.push_back({stage, begin_ns, end_ns});
  }
}

}  // namespace

DeviceJobDone RunOnCpu(const DeviceJob& job, std::vector<uint8_t>* scratch) {
  DeviceJobDone done;
  done.tag = job.tag;
  int64_t now = NowNs();
  const auto took = [&](JobStage stage, int64_t* sum) {
    const int64_t then = std::exchange(now, NowNs());
    *sum += now - then;
    AddSpan(stage, then, now, &done);
  };
  const Extents& source = job.host != nullptr ? *job.host : *job.frames_dev;
  for (size_t i = 0; i < job.parts.size() && done.status.ok(); ++i) {
    const UnitPart& part = job.parts[i];
    const auto stored = SliceOf(source, part.stored_offset_bytes, part.stored_size_bytes, scratch);
    done.bad_part = static_cast<uint32_t>(i);
    if (job.verify && Xxh3(stored) != part.xxh3) {
      done.status = absl::DataLossError("does not match its checksum");
      break;
    }
    took(JobStage::kVerify, &done.times.verify_ns);
    if (job.host != nullptr && job.frames_dev != nullptr) {
      CopyInto(*job.frames_dev, part.stored_offset_bytes, stored);
      took(JobStage::kCopy, &done.times.copy_ns);
    }
    if (job.slot_dev == nullptr) continue;
    const DeviceTables* const tables = done.tables != nullptr ? done.tables.get() : job.tables;
    done.status = part.is_tables() ? DecodeTables(*job.unit, stored, &done.tables)
                                   : DecodePart(job, part, tables, stored);
    took(JobStage::kDecode, &done.times.decode_ns);
  }
  return done;
}

}  // namespace ecf8
