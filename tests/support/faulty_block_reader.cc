#include "tests/support/faulty_block_reader.h"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <utility>

#include "loader/base/file.h"
#include "loader/io/file_table.h"
#include "loader/io/read_calls.h"

namespace ecf8::testing {
namespace {

constexpr uint8_t kGarbage = 0xA5;

uint64_t RoundedUp(uint64_t bytes) { return (bytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes; }

}  // namespace

struct FaultyBlockReader::Disk {
  std::string bytes;
  int error = 0;
};

struct FaultyBlockReader::Flight {
  Flight(const BlockRead& read, uint64_t flight_number)
      : progress(read, /*direct=*/true), number(flight_number) {}

  ReadProgress progress;
  uint64_t number = 0;
  std::optional<uint64_t> end_bytes;  // of the file, where it was truncated
};

FaultyBlockReader::FaultyBlockReader(const FaultyReaderOptions& options, VirtualTime& time,
                                     BlockReadSink& sink)
    : options_(options),
      time_(time),
      sink_(sink),
      random_(options.seed),
      self_(std::make_shared<FaultyBlockReader*>(this)) {
  info_.kind = "faulty";
  info_.queue_depth = options.queue_depth;
}

FaultyBlockReader::~FaultyBlockReader() {
  while (!flights_.empty()) {
    Complete(flights_.begin()->second, absl::CancelledError("the reader is ending"));
  }
  Deliver();
}

void FaultyBlockReader::SetContent(const std::string& path, std::string bytes) {
  std::shared_ptr<Disk>& disk = disks_[path];
  if (disk == nullptr) disk = std::make_shared<Disk>();
  disk->bytes = std::move(bytes);
}

void FaultyBlockReader::SetError(const std::string& path, int error) {
  disks_.at(path)->error = error;
}

void FaultyBlockReader::Truncate(const std::string& path, uint64_t size_bytes) {
  disks_.at(path)->bytes.resize(size_bytes);
}

absl::StatusOr<uint32_t> FaultyBlockReader::AddFile(const std::string& path,
                                                    std::string_view name) {
  if (!disks_.contains(path)) {
    // The real thing says what is wrong with the path.
    absl::StatusOr<std::unique_ptr<BlockFile>> file =
        BlockFile::Open(path, name, /*direct_io=*/false, ReadCalls::System());
    if (!file.ok()) return std::move(file).status();
    std::ifstream stream(path, std::ios::binary);
    SetContent(path, std::string(std::istreambuf_iterator<char>(stream), {}));
  }
  uint32_t number = 0;
  while (files_.contains(number)) ++number;
  files_[number] = {std::string(name), disks_.at(path)};
  ++info_.buffered_files;
  return number;
}

void FaultyBlockReader::RemoveFile(uint32_t file) {
  assert(files_.at(file).in_flight == 0);
  files_.erase(file);
  --info_.buffered_files;
}

void FaultyBlockReader::RegisterMemory(absl::Span<uint8_t> memory) {
  if (Chance(options_.enomem_at_registration)) {
    info_.registration_problem = std::string(ErrnoStatus(ENOMEM, "cannot register").message());
  } else {
    info_.registered_bytes += memory.size();
  }
}

bool FaultyBlockReader::TrySubmit(const BlockRead& read) {
  if (flights_.size() == options_.queue_depth) return false;
  auto flight = std::make_shared<Flight>(read, next_flight_++);
  ++files_.at(read.file).in_flight;
  std::fill_n(read.data, RoundedUp(read.size_bytes), kGarbage);
  flights_.emplace(flight->number, flight);
  info_.in_flight = static_cast<uint32_t>(flights_.size());
  StartRequest(std::move(flight));
  return true;
}

bool FaultyBlockReader::Chance(double probability) {
  // Draws also for 0, so that runs with and without a fault stay alike.
  return static_cast<double>(random_() >> 11) * 0x1p-53 < probability;
}

uint64_t FaultyBlockReader::Draw(uint64_t from, uint64_t to) {
  return from + random_() % (to - from + 1);
}

void FaultyBlockReader::StartRequest(std::shared_ptr<Flight> flight) {
  time_.At(Draw(options_.min_delay_us, options_.max_delay_us),
           [self = std::weak_ptr<FaultyBlockReader*>(self_), flight = std::move(flight)] {
             if (const auto reader = self.lock()) (*reader)->FinishRequest(flight);
           });
}

void FaultyBlockReader::FinishRequest(const std::shared_ptr<Flight>& flight) {
  std::optional<absl::Status> status = flight->progress.OnResult(
      RequestResult(*flight), files_.at(flight->progress.read().file).name);
  if (!status.has_value()) {
    ++info_.retries;
    StartRequest(flight);
    return;
  }
  Complete(flight, *std::move(status));
  // Alone, or together with those that end meanwhile.
  time_.At(Draw(0, 1) * Draw(0, options_.max_delay_us / 4),
           [self = std::weak_ptr<FaultyBlockReader*>(self_)] {
             if (const auto reader = self.lock()) (*reader)->Deliver();
           });
}

// What the kernel would answer, and the bytes it would have brought.
int64_t FaultyBlockReader::RequestResult(Flight& flight) {
  const Disk& disk = *files_.at(flight.progress.read().file).disk;
  if (Chance(options_.eintr)) return -EINTR;
  if (Chance(options_.eagain)) return -EAGAIN;
  if (Chance(options_.eio)) return -EIO;
  if (disk.error != 0) return -disk.error;
  const absl::Span<uint8_t> memory = flight.progress.memory();
  const uint64_t offset_bytes = flight.progress.offset_bytes();
  if (Chance(options_.truncated)) flight.end_bytes = offset_bytes + Draw(0, memory.size() - 1);
  const uint64_t end_bytes =
      std::min<uint64_t>(disk.bytes.size(), flight.end_bytes.value_or(disk.bytes.size()));
  if (offset_bytes >= end_bytes) return 0;
  uint64_t count = std::min<uint64_t>(memory.size(), end_bytes - offset_bytes);
  if (Chance(options_.short_read)) count = Draw(1, count);
  std::copy_n(disk.bytes.begin() + static_cast<int64_t>(offset_bytes), count, memory.begin());
  return static_cast<int64_t>(count);
}

void FaultyBlockReader::Complete(const std::shared_ptr<Flight>& flight, absl::Status status) {
  const BlockRead& read = flight->progress.read();
  if (status.ok()) {
    ++info_.reads_done;
    info_.bytes_read += read.size_bytes;
    const uint64_t room_bytes = RoundedUp(read.size_bytes);
    std::fill_n(read.data + read.size_bytes, room_bytes - read.size_bytes, kGarbage);
  } else {
    ++info_.reads_failed;
    failures_.push_back({read, status});
    std::fill_n(read.data, RoundedUp(read.size_bytes), kGarbage);
  }
  done_.push_back({read.tag, std::move(status)});
  --files_.at(read.file).in_flight;
  flights_.erase(flight->number);
  info_.in_flight = static_cast<uint32_t>(flights_.size());
}

void FaultyBlockReader::Deliver() {
  if (done_.empty()) return;
  const std::vector<BlockReadDone> done = std::exchange(done_, {});
  sink_.OnReadsDone(done);
}

}  // namespace ecf8::testing
