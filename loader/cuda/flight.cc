#include "loader/cuda/flight.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "decoder/format.h"
#include "decoder/status_macros.h"
#include "loader/cuda/cuda_status.h"
#include "loader/engine/stored_bytes.h"

namespace ecf8 {
namespace {

// A unit of 256 MiB is 8192 tiles, and one more for each tensor that is no multiple of a tile.
constexpr size_t kMaxTiles = 12288;
constexpr size_t kMaxTableSets = 8;
constexpr uint64_t kLutBytes = kLutEntries * sizeof(uint16_t);
constexpr uint64_t kTablesBytes = kMaxTableSets * kMaxTables * kLutBytes;
// At worst each tile has a chunk and a block of its own.
constexpr uint64_t kListBytes =
    kMaxTiles * (sizeof(TileWorkBlock) + sizeof(TileWorkChunk) + sizeof(TileWorkItem)) + 64;
constexpr uint64_t kImageBytes = kTablesBytes + kListBytes;

}  // namespace

void CudaJob::Fail(size_t part, absl::Status status) {
  next_part = job.parts.size();
  if (!done.status.ok() && done.bad_part <= part) return;
  done.status = std::move(status);
  done.bad_part = static_cast<uint32_t>(part);
}

uint64_t Flight::PinnedBytes() { return kImageBytes + kMaxTiles; }

absl::StatusOr<std::unique_ptr<Flight>> Flight::Create(const FlightPath& path,
                                                       uint64_t staging_bytes) {
  assert(staging_bytes >= kChunkWeights);
  std::unique_ptr<Flight> flight(new Flight(path));
  CudaCalls& cuda = *path.cuda;
  flight->staging_bytes_ = staging_bytes;
  ECF8_ASSIGN_OR_RETURN(flight->staging_dev_, MakeDeviceBuffer(cuda, path.device, staging_bytes));
  ECF8_ASSIGN_OR_RETURN(flight->bounce_, MakePinnedBuffer(cuda, path.device, staging_bytes));
  ECF8_ASSIGN_OR_RETURN(flight->image_dev_, MakeDeviceBuffer(cuda, path.device, kImageBytes));
  ECF8_ASSIGN_OR_RETURN(flight->image_, MakePinnedBuffer(cuda, path.device, kImageBytes));
  ECF8_ASSIGN_OR_RETURN(flight->errors_dev_, MakeDeviceBuffer(cuda, path.device, kMaxTiles));
  ECF8_ASSIGN_OR_RETURN(flight->errors_, MakePinnedBuffer(cuda, path.device, kMaxTiles));
  ECF8_ASSIGN_OR_RETURN(flight->copy_begin_, MakeEvent(cuda, path.device));
  ECF8_ASSIGN_OR_RETURN(flight->copied_, MakeEvent(cuda, path.device));
  ECF8_ASSIGN_OR_RETURN(flight->decode_begin_, MakeEvent(cuda, path.device));
  ECF8_ASSIGN_OR_RETURN(flight->done_, MakeEvent(cuda, path.device));
  return flight;
}

bool Flight::TakeParts(CudaJob* job) {
  const size_t first = job->next_part;
  bool room = true;
  while (room && !job->all_taken()) {
    const size_t part = job->next_part;
    room = TakePart(job, part);
    if (room && !job->all_taken()) job->next_part = part + 1;
  }
  if (job->next_part > first) {
    jobs_.push_back(job);
    ++job->flights;
  }
  return room;
}

bool Flight::TakePart(CudaJob* job, size_t number) {
  const UnitPart& part = job->job.parts[number];
  const bool decode = job->job.slot_dev != nullptr && !part.is_tables();
  const TableSet* tables = nullptr;
  if (decode && part.stored_size_bytes != part.decoded_size_bytes && job->tables != nullptr) {
    tables = job->tables->For(job->job.unit->pieces[part.piece].codec);
  }
  if (decode && !HasRoomForTiles(part, tables)) return false;
  const uint8_t* stored_dev = nullptr;
  const bool taken = job->job.host != nullptr ? TakeHostPart(*job, part, &stored_dev)
                                              : TakeFramesPart(*job, part, &stored_dev);
  if (!taken) return false;
  if (decode) AddTiles(job, number, tables, stored_dev);
  return true;
}

bool Flight::HasRoomForTiles(const UnitPart& part, const TableSet* tables) const {
  if (batch_.tile_count() + TileCount(part.decoded_size_bytes) > kMaxTiles) return false;
  return tables == nullptr || table_sets_.size() < kMaxTableSets ||
         std::find(table_sets_.begin(), table_sets_.end(), tables) != table_sets_.end();
}

// Host memory goes to the frames where there are some, and to staging where it is to be decoded and
// there are none, or it would lie in two pieces there.
bool Flight::TakeHostPart(const CudaJob& job, const UnitPart& part, const uint8_t** stored_dev) {
  Extents frames;
  if (job.job.frames_dev != nullptr) frames = FramesPieces(*job.job.frames_dev, part);
  const bool decode = job.job.slot_dev != nullptr && !part.is_tables();
  const bool stage = decode && frames.size() != 1;
  if (frames.empty() && !stage) return true;  // only its checksum was wanted
  const uint64_t room_bytes = RoundUp(part.stored_size_bytes, kSectionAlignment);
  if (staged_bytes_ + (stage ? room_bytes : 0) > staging_bytes_ ||
      bounced_bytes_ + room_bytes > staging_bytes_) {
    return false;
  }
  const Extents from =
      PinnedPieces(SliceExtents(*job.job.host, part.stored_offset_bytes, part.stored_size_bytes));
  if (!frames.empty()) AddCopies(from, frames, CudaCopy::kHostToDevice);
  if (!stage) {
    *stored_dev = frames.front().data();
    return true;
  }
  uint8_t* const staged_dev = staging_dev_.get() + staged_bytes_;
  AddCopies(from, {{staged_dev, part.stored_size_bytes}}, CudaCopy::kHostToDevice);
  staged_bytes_ += room_bytes;
  *stored_dev = staged_dev;
  return true;
}

bool Flight::TakeFramesPart(const CudaJob& job, const UnitPart& part, const uint8_t** stored_dev) {
  if (part.is_tables()) return true;
  const Extents frames = FramesPieces(*job.job.frames_dev, part);
  *stored_dev = frames.front().data();
  if (frames.size() == 1) return true;
  const uint64_t room_bytes = RoundUp(part.stored_size_bytes, kSectionAlignment);
  if (staged_bytes_ + room_bytes > staging_bytes_) return false;
  uint8_t* const staged_dev = staging_dev_.get() + staged_bytes_;
  AddCopies(frames, {{staged_dev, part.stored_size_bytes}}, CudaCopy::kDeviceToDevice);
  staged_bytes_ += room_bytes;
  *stored_dev = staged_dev;
  return true;
}

void Flight::AddTiles(CudaJob* job, size_t number, const TableSet* tables,
                      const uint8_t* stored_dev) {
  const UnitPart& part = job->job.parts[number];
  const size_t tables_number = tables == nullptr ? table_sets_.size() : TablesOf(*tables);
  const absl::Status status = batch_.Add({.codec = job->job.unit->pieces[part.piece].codec,
                                          .stored_dev = stored_dev,
                                          .stored_bytes = part.stored_size_bytes,
                                          .weights = part.decoded_size_bytes,
                                          .tile_count = TileCount(part.decoded_size_bytes),
                                          .out_dev = job->job.slot_dev + part.decoded_offset_bytes},
                                         tables_number);
  calls_.push_back({job, number});
  if (status.ok()) return;
  job->Fail(number, absl::IsDataLoss(status)
                        ? absl::DataLossError(absl::StrCat("cannot be decoded: ", status.message()))
                        : status);
}

size_t Flight::TablesOf(const TableSet& tables) {
  const auto known = std::find(table_sets_.begin(), table_sets_.end(), &tables);
  if (known != table_sets_.end()) return static_cast<size_t>(known - table_sets_.begin());
  const uint64_t size_bytes = tables.size() * kLutBytes;
  std::memcpy(image_.get() + tables_bytes_, tables.luts(), size_bytes);
  const auto* luts_dev = reinterpret_cast<const uint16_t*>(image_dev_.get() + tables_bytes_);
  tables_bytes_ += size_bytes;
  table_sets_.push_back(&tables);
  return batch_.AddTables(luts_dev, tables.size());
}

// The same bytes, in runs that one copy can take each: what is not pinned goes through bounce_.
Extents Flight::PinnedPieces(const Extents& host) {
  Extents pieces;
  for (absl::Span<uint8_t> run : host) {
    while (!run.empty()) {
      const PinnedRanges::Front front = path_.pinned->FrontOf(run);
      absl::Span<uint8_t> piece = run.first(front.size_bytes);
      if (!front.pinned) {
        std::memcpy(bounce_.get() + bounced_bytes_, piece.data(), piece.size());
        piece = {bounce_.get() + bounced_bytes_, piece.size()};
        bounced_bytes_ += piece.size();
      }
      pieces.push_back(piece);
      run.remove_prefix(front.size_bytes);
    }
  }
  return pieces;
}

// Where the part lies in the frames, split where another device's memory begins.
Extents Flight::FramesPieces(const Extents& frames, const UnitPart& part) const {
  Extents pieces;
  for (absl::Span<uint8_t> run :
       SliceExtents(frames, part.stored_offset_bytes, part.stored_size_bytes)) {
    while (!run.empty()) {
      const uint64_t size = std::min<uint64_t>(run.size(), path_.frames->BytesOnDevice(run.data()));
      pieces.push_back(run.first(size));
      run.remove_prefix(size);
    }
  }
  return pieces;
}

void Flight::AddCopies(const Extents& from, const Extents& to, CudaCopy direction) {
  size_t source = 0;
  uint64_t done_bytes = 0;  // of from[source]
  for (absl::Span<uint8_t> target : to) {
    while (!target.empty()) {
      const uint64_t size = std::min<uint64_t>(target.size(), from[source].size() - done_bytes);
      AddCopy({target.data(), from[source].data() + done_bytes, size, direction});
      target.remove_prefix(size);
      done_bytes += size;
      if (done_bytes == from[source].size()) {
        ++source;
        done_bytes = 0;
      }
    }
  }
}

// Parts that follow one another are one copy, unless that would leave what is pinned together, or
// (in the frames) one device's memory.
void Flight::AddCopy(const Copy& copy) {
  if (!copies_.empty()) {
    Copy& last = copies_.back();
    const uint64_t size_bytes = last.size_bytes + copy.size_bytes;
    const bool adjacent = last.direction == copy.direction &&
                          last.to + last.size_bytes == copy.to &&
                          last.from + last.size_bytes == copy.from;
    if (adjacent && copy.direction == CudaCopy::kHostToDevice &&
        path_.pinned->FrontOf({last.from, size_bytes}).size_bytes == size_bytes &&
        !path_.frames->StartsDevice(copy.to)) {
      last.size_bytes = size_bytes;
      return;
    }
  }
  copies_.push_back(copy);
}

absl::Status Flight::Do(CudaError error, const char* call) const {
  return CudaStatus(*path_.cuda, error, call, path_.device);
}

absl::Status Flight::Launch() {
  CudaCalls& cuda = *path_.cuda;
  if (!copies_.empty()) {
    ECF8_RETURN_IF_ERROR(
        Do(cuda.EventRecord(copy_begin_.get(), path_.copy_stream), "cudaEventRecord"));
    for (const Copy& copy : copies_) {
      ECF8_RETURN_IF_ERROR(Do(
          cuda.MemcpyAsync(copy.to, copy.from, copy.size_bytes, copy.direction, path_.copy_stream),
          "cudaMemcpyAsync"));
    }
  }
  TileWork work{};
  if (batch_.tile_count() > 0) {
    // Behind the copies, where there are some: alone in the other stream it would wait for the next
    // flight's, which have the copy engine by then.
    ECF8_ASSIGN_OR_RETURN(work,
                          CopyImage(copies_.empty() ? path_.decode_stream : path_.copy_stream));
  }
  if (!copies_.empty()) ECF8_RETURN_IF_ERROR(JoinStreams());
  return batch_.tile_count() == 0 ? absl::OkStatus() : LaunchDecode(work);
}

// The tables and the list of tiles.
absl::StatusOr<TileWork> Flight::CopyImage(CudaStream stream) {
  TileBatch::Layout layout;
  batch_.LayOut(path_.shape, &layout);
  assert(layout.image.size() <= kListBytes);
  std::memcpy(image_.get() + tables_bytes_, layout.image.data(), layout.image.size());
  ECF8_RETURN_IF_ERROR(Do(
      path_.cuda->MemcpyAsync(image_dev_.get(), image_.get(), tables_bytes_ + layout.image.size(),
                              CudaCopy::kHostToDevice, stream),
      "cudaMemcpyAsync"));
  return layout.At(image_dev_.get() + tables_bytes_, errors_dev_.get());
}

// What follows in the decode stream comes after the copies.
absl::Status Flight::JoinStreams() {
  CudaCalls& cuda = *path_.cuda;
  ECF8_RETURN_IF_ERROR(Do(cuda.EventRecord(copied_.get(), path_.copy_stream), "cudaEventRecord"));
  ECF8_RETURN_IF_ERROR(
      Do(cuda.StreamWaitEvent(path_.decode_stream, copied_.get()), "cudaStreamWaitEvent"));
  joined_ = true;
  return absl::OkStatus();
}

absl::Status Flight::LaunchDecode(const TileWork& work) {
  CudaCalls& cuda = *path_.cuda;
  const CudaStream stream = path_.decode_stream;
  ECF8_RETURN_IF_ERROR(Do(cuda.EventRecord(decode_begin_.get(), stream), "cudaEventRecord"));
  ECF8_RETURN_IF_ERROR(Do(cuda.LaunchTileDecode(path_.shape, work, stream), "cudaLaunchKernel"));
  return Do(cuda.MemcpyAsync(errors_.get(), errors_dev_.get(), batch_.tile_count(),
                             CudaCopy::kDeviceToHost, stream),
            "cudaMemcpyAsync");
}

absl::Status Flight::Seal() {
  if (!copies_.empty() && !joined_) ECF8_RETURN_IF_ERROR(JoinStreams());
  return Do(path_.cuda->EventRecord(done_.get(), path_.decode_stream), "cudaEventRecord");
}

CudaError Flight::Query() const { return path_.cuda->EventQuery(done_.get()); }

int64_t Flight::ElapsedNs(const OwnedEvent& begin, const OwnedEvent& end) const {
  float time_ms = 0;
  // Only a figure: what is wrong with a device shows elsewhere.
  if (path_.cuda->EventElapsedTime(begin.get(), end.get(), &time_ms) != kCudaSuccess) return 0;
  return static_cast<int64_t>(static_cast<double>(time_ms) * 1e6);
}

std::vector<CudaJob*> Flight::Finish(absl::Status failure) {
  if (failure.ok()) {
    JobTimes& times = jobs_.front()->done.times;
    if (!copies_.empty()) times.copy_ns += ElapsedNs(copy_begin_, copied_);
    if (batch_.tile_count() > 0) {
      times.decode_ns += ElapsedNs(decode_begin_, done_);
      const absl::Span<const uint8_t> errors(errors_.get(), batch_.tile_count());
      for (const TileBatch::BadTile& bad : batch_.FindBadTiles(errors)) {
        const absl::Status status = TileErrorStatus(bad.error);
        calls_[bad.call].job->Fail(
            calls_[bad.call].part,
            absl::Status(status.code(), absl::StrCat("cannot be decoded: tile ", bad.tile, ": ",
                                                     status.message())));
      }
    }
  } else {
    for (CudaJob* const job : jobs_) job->Fail(0, failure);
  }
  return Abandon();
}

std::vector<CudaJob*> Flight::Abandon() {
  std::vector<CudaJob*> jobs = std::exchange(jobs_, {});
  for (CudaJob* const job : jobs) --job->flights;
  copies_.clear();
  batch_ = {};
  calls_.clear();
  table_sets_.clear();
  tables_bytes_ = staged_bytes_ = bounced_bytes_ = 0;
  joined_ = false;
  return jobs;
}

}  // namespace ecf8
