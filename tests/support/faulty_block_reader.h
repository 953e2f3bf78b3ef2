// A BlockReader of a simulation: single-threaded, in virtual time, seeded, with the faults that
// disks and kernels have. The same seed and the same calls give the same run.
//
// It keeps the contract of block_reader.h, and hurts what leans on more: the memory of a read is
// filled with garbage when it is submitted and again behind what was asked for, bytes arrive only
// at the completion, and completions come in any order, alone or together.
#ifndef ECF8_TESTS_SUPPORT_FAULTY_BLOCK_READER_H_
#define ECF8_TESTS_SUPPORT_FAULTY_BLOCK_READER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "loader/io/block_reader.h"
#include "loader/io/read_progress.h"
#include "tests/support/virtual_time.h"

namespace ecf8::testing {

// Chances are of one request to the "kernel"; a read takes several where it is interrupted, and
// fails where too many bring nothing (ReadProgress::kMaxFruitless).
struct FaultyReaderOptions {
  uint64_t seed = 0;
  uint32_t queue_depth = 32;
  double short_read = 0;  // fewer bytes than asked for, any number
  double eintr = 0;
  double eagain = 0;
  double eio = 0;
  double truncated = 0;  // for this read, the file ends somewhere in the request
  double enomem_at_registration = 0;
  uint64_t min_delay_us = 20;  // of one request
  uint64_t max_delay_us = 2000;
};

// A read that did not succeed, as it was reported.
struct FaultyReadFailure {
  BlockRead read;
  absl::Status status;
};

class FaultyBlockReader : public BlockReader {
 public:
  // `time` and `sink` outlive it.
  FaultyBlockReader(const FaultyReaderOptions& options, VirtualTime& time, BlockReadSink& sink);
  // Reads in flight complete with CANCELLED, within the destructor.
  ~FaultyBlockReader() override;

  // AddFile finds `bytes` under `path`, which needs not exist; other paths are read from the disk.
  // Open files see a change at once.
  void SetContent(const std::string& path, std::string bytes);

  // Every request to `path` fails with `error` (an errno) until it is 0 again.
  void SetError(const std::string& path, int error);

  // Cuts the file to `size_bytes`, also under reads in flight.
  void Truncate(const std::string& path, uint64_t size_bytes);

  // From now on.
  void SetOptions(const FaultyReaderOptions& options) { options_ = options; }

  const std::vector<FaultyReadFailure>& failures() const { return failures_; }

  absl::StatusOr<uint32_t> AddFile(const std::string& path, std::string_view name) override;
  void RemoveFile(uint32_t file) override;
  void RegisterMemory(absl::Span<uint8_t> memory) override;
  bool TrySubmit(const BlockRead& read) override;
  BlockReaderInfo info() const override { return info_; }

 private:
  struct Disk;    // a path: its bytes and its standing error
  struct Flight;  // a read that was taken

  bool Chance(double probability);
  uint64_t Draw(uint64_t from, uint64_t to);
  void StartRequest(std::shared_ptr<Flight> flight);
  void FinishRequest(const std::shared_ptr<Flight>& flight);
  int64_t RequestResult(Flight& flight);
  void Complete(const std::shared_ptr<Flight>& flight, absl::Status status);
  void Deliver();

  FaultyReaderOptions options_;
  VirtualTime& time_;
  BlockReadSink& sink_;
  std::mt19937_64 random_;
  std::map<std::string, std::shared_ptr<Disk>> disks_;
  struct OpenFile {
    std::string name;
    std::shared_ptr<Disk> disk;
    uint32_t in_flight = 0;
  };
  std::map<uint32_t, OpenFile> files_;
  std::map<uint64_t, std::shared_ptr<Flight>> flights_;  // by order of submission
  uint64_t next_flight_ = 0;
  std::vector<BlockReadDone> done_;  // complete, not yet told to the sink
  std::vector<FaultyReadFailure> failures_;
  BlockReaderInfo info_;
  // Events of a reader that is gone do nothing: they hold this weakly.
  std::shared_ptr<FaultyBlockReader*> self_;
};

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_SUPPORT_FAULTY_BLOCK_READER_H_
