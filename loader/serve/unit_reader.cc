#include "loader/serve/unit_reader.h"

#include <algorithm>
#include <utility>

#include "decoder/checksum.h"
#include "decoder/status_macros.h"

namespace ecf8 {
namespace {

// Asked for beyond the unit that is sent, so that the disk and the decoder never wait for the
// client's connection: units until they are so many bytes together. More would only hold memory.
constexpr uint64_t kBytesAhead = uint64_t{64} << 20;
constexpr size_t kMaxUnitsAhead = 64;

}  // namespace

UnitReader::UnitReader(Engine& engine, ReadOrder order, std::function<void()> wake)
    : engine_(&engine), order_(std::move(order)), wake_(std::move(wake)), flow_(engine.NewFlow()) {}

void UnitReader::Stop() {
  stage_ = Stage::kDone;
  lease_.Release();
  ahead_.clear();
}

absl::StatusOr<ReadStep> UnitReader::Next(absl::Span<uint8_t> memory) {
  absl::StatusOr<ReadStep> step = ReadStep{};
  if (stage_ == Stage::kBegin) step = Begin();
  if (stage_ == Stage::kParts && step.ok() && step->kind != ReadStep::Kind::kBegin) {
    step = Part(memory);
  }
  if (!step.ok()) Stop();
  return step;
}

absl::StatusOr<UnitLease> UnitReader::Acquire(uint32_t unit_index, Priority priority) {
  return engine_->Acquire({.model = order_.model->number(),
                           .unit_index = unit_index,
                           .form = order_.form,
                           .priority = priority,
                           .flow = flow_,
                           .revocable = true,
                           .on_progress = wake_});
}

absl::StatusOr<ReadStep> UnitReader::Begin() {
  if (next_unit_ == order_.selection.unit_count()) {
    Stop();
    return ReadStep{};
  }
  current_ = order_.selection.Get(model(), next_unit_++);
  part_ = 0;
  wanted_piece_ = 0;
  sent_bytes_ = 0;
  if (ahead_.empty()) {
    ECF8_ASSIGN_OR_RETURN(lease_, Acquire(current_.unit_index, Priority::kDemand));
  } else {
    lease_ = std::move(ahead_.front());
    ahead_.pop_front();
    lease_.Raise(Priority::kDemand);
  }
  AcquireAhead();
  stage_ = Stage::kParts;
  return ReadStep{.kind = ReadStep::Kind::kBegin};
}

void UnitReader::AcquireAhead() {
  uint64_t bytes_ahead = 0;
  for (const UnitLease& lease : ahead_) bytes_ahead += lease->unit().decoded_size_bytes;
  while (bytes_ahead < kBytesAhead && ahead_.size() < kMaxUnitsAhead &&
         next_unit_ + ahead_.size() < order_.selection.unit_count()) {
    const SelectedUnit next = order_.selection.Get(model(), next_unit_ + ahead_.size());
    absl::StatusOr<UnitLease> lease = Acquire(next.unit_index, Priority::kHinted);
    // Only a hint: the error is told when the unit's turn has come.
    if (!lease.ok()) return;
    bytes_ahead += (*lease)->unit().decoded_size_bytes;
    ahead_.push_back(*std::move(lease));
  }
}

// What is held ahead may be the very memory that the current unit waits for. The engine would take
// it back only after a while. Given back, it stays a cache entry until it has to go.
void UnitReader::GiveWay() {
  const auto has_memory = [](const UnitLease& lease) { return lease->begun(); };
  if (!lease_->begun() && std::any_of(ahead_.begin(), ahead_.end(), has_memory)) ahead_.clear();
}

// Parts come in order of their pieces, and so do the wanted pieces.
bool UnitReader::IsWanted(const UnitPart& part) {
  if (part.is_tables()) return order_.form == UnitForm::kStored;
  while (wanted_piece_ < current_.pieces.size() && current_.pieces[wanted_piece_] < part.piece) {
    ++wanted_piece_;
  }
  return wanted_piece_ < current_.pieces.size() && current_.pieces[wanted_piece_] == part.piece;
}

absl::StatusOr<ReadStep> UnitReader::Part(absl::Span<uint8_t> memory) {
  const std::vector<UnitPart>& parts = lease_->parts();
  while (part_ < parts.size() && !IsWanted(parts[part_])) ++part_;
  if (part_ == parts.size()) return End();
  ECF8_RETURN_IF_ERROR(lease_->status());
  if (part_ >= lease_->ready_parts()) {
    GiveWay();
    return ReadStep{.kind = ReadStep::Kind::kWait};
  }
  const UnitPart& part = parts[part_];
  const absl::Span<uint8_t> data = memory.first(
      order_.form == UnitForm::kStored ? part.stored_size_bytes : part.decoded_size_bytes);
  if (!lease_->CopyPart(part_, data.data())) {
    ECF8_RETURN_IF_ERROR(lease_->status());
    // The memory went to somebody else while the client did not read.
    ECF8_ASSIGN_OR_RETURN(lease_, Acquire(current_.unit_index, Priority::kDemand));
    return ReadStep{.kind = ReadStep::Kind::kWait};
  }
  ++part_;
  sent_bytes_ += data.size();
  return Describe(part, data);
}

ReadStep UnitReader::Describe(const UnitPart& part, absl::Span<const uint8_t> data) const {
  const bool stored = order_.form == UnitForm::kStored;
  return {.kind = ReadStep::Kind::kData,
          .offset_bytes = stored ? part.stored_offset_bytes : part.decoded_offset_bytes,
          .xxh3 = stored ? part.xxh3 : Xxh3(data),
          .data_size_bytes = data.size()};
}

ReadStep UnitReader::End() {
  stage_ = Stage::kBegin;
  lease_.Release();
  return ReadStep{.kind = ReadStep::Kind::kEnd, .data_size_bytes = sent_bytes_};
}

}  // namespace ecf8
