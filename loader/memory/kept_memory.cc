#include "loader/memory/kept_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <set>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/file.h"
#include "loader/memory/arena.h"

namespace ecf8 {
namespace {

// In the store, and in /proc.
constexpr char kMemoryName[] = "ecf8-arena";
constexpr char kLedgerName[] = "ecf8-ledger";

// A file that shrank would end the process at its next access.
constexpr int kSeals = F_SEAL_GROW | F_SEAL_SHRINK;

constexpr unsigned kHugePageFlags = MFD_HUGETLB | (21U << MAP_HUGE_SHIFT);  // of 2^21 bytes

constexpr uint64_t kBlockFrames = kHugePageBytes / kFrameBytes;

// `flags` besides.
absl::StatusOr<Descriptor> MakeFile(const char* name, uint64_t size_bytes, unsigned flags) {
  Descriptor file(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | flags));
  if (!file) return ErrnoStatus(errno, absl::StrCat("cannot make the memory ", name));
  if (ftruncate(file.get(), static_cast<off_t>(size_bytes)) != 0 ||
      fcntl(file.get(), F_ADD_SEALS, kSeals | F_SEAL_SEAL) != 0) {
    return ErrnoStatus(errno, absl::StrCat("cannot make ", size_bytes, " bytes of ", name));
  }
  return file;
}

// Of reserved huge pages, all of them or none: the file keeps what a mapping has reserved.
absl::StatusOr<Descriptor> MakeHugeFile(uint64_t size_bytes) {
  ECF8_ASSIGN_OR_RETURN(Descriptor file, MakeFile(kMemoryName, size_bytes, kHugePageFlags));
  void* const mapped = mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (mapped == MAP_FAILED) return ErrnoStatus(errno, "no huge pages");
  munmap(mapped, size_bytes);
  return file;
}

bool IsOfSize(const Descriptor& file, uint64_t size_bytes) {
  struct stat stat {};
  return fstat(file.get(), &stat) == 0 && S_ISREG(stat.st_mode) &&
         static_cast<uint64_t>(stat.st_size) == size_bytes &&
         (fcntl(file.get(), F_GET_SEALS) & kSeals) == kSeals;
}

}  // namespace

absl::StatusOr<std::unique_ptr<KeptMemory>> KeptMemory::Open(DescriptorStore& store,
                                                             uint64_t size_bytes) {
  assert(size_bytes > 0 && size_bytes % kHugePageBytes == 0);
  Descriptor memory = store.Take(kMemoryName);
  Descriptor ledger = store.Take(kLedgerName);
  std::unique_ptr<KeptMemory> kept(new KeptMemory);
  std::string discarded;
  if (memory || ledger) {
    const absl::Status status = kept->TakeUp(std::move(memory), std::move(ledger), size_bytes);
    if (status.ok()) return kept;
    discarded = std::string(status.message());
    kept.reset(new KeptMemory);  // what was taken up is unmapped first
    Discard(store);
  }
  kept->discarded_ = std::move(discarded);
  ECF8_RETURN_IF_ERROR(kept->MakeNew(store, size_bytes));
  return kept;
}

void KeptMemory::Discard(DescriptorStore& store) {
  store.Remove(kMemoryName);
  store.Remove(kLedgerName);
}

KeptMemory::~KeptMemory() {
  if (!ledger_bytes_.empty()) munmap(ledger_bytes_.data(), ledger_bytes_.size());
}

absl::Status KeptMemory::TakeUp(Descriptor memory, Descriptor ledger, uint64_t size_bytes) {
  memory_ = std::move(memory);
  ledger_file_ = std::move(ledger);
  const uint64_t frame_count = size_bytes / kFrameBytes;
  if (!memory_ || !ledger_file_) return absl::FailedPreconditionError("half of it is missing");
  if (!IsOfSize(memory_, size_bytes) ||
      !IsOfSize(ledger_file_, FrameLedger::SizeBytes(frame_count))) {
    return absl::FailedPreconditionError("it is of another size");
  }
  ECF8_RETURN_IF_ERROR(MapLedger(FrameLedger::SizeBytes(frame_count)));
  ECF8_ASSIGN_OR_RETURN(FrameLedger opened,
                        FrameLedger::Open(ledger_bytes_, kFrameBytes, frame_count));
  ledger_.emplace(std::move(opened));
  units_ = ledger_->Read();
  ReplaceMarked();
  // What is left in the ledger is what is told of.
  uint64_t next = 0;
  std::vector<FrameRun> kept_runs;
  for (const LedgerUnit& unit : units_) {
    kept_runs.insert(kept_runs.end(), unit.frames.begin(), unit.frames.end());
  }
  std::sort(kept_runs.begin(), kept_runs.end(),
            [](const FrameRun& a, const FrameRun& b) { return a.first < b.first; });
  for (const FrameRun& run : kept_runs) {
    ledger_->Erase({{next, run.first - next}});
    next = run.first + run.count;
  }
  ledger_->Erase({{next, frame_count - next}});
  return absl::OkStatus();
}

// A read that the process before had asked for may end after it: into pages that are no part of the
// memory any more. They are replaced in whole blocks of a huge page, the least that can be, and
// units in such a block are not kept.
void KeptMemory::ReplaceMarked() {
  std::set<uint64_t> blocks;
  struct stat stat {};
  fstat(memory_.get(), &stat);
  const uint64_t frame_count = static_cast<uint64_t>(stat.st_size) / kFrameBytes;
  for (uint64_t frame = 0; frame < frame_count; ++frame) {
    if (ledger_->IsMarked(frame)) blocks.insert(frame / kBlockFrames);
  }
  std::erase_if(units_, [&](const LedgerUnit& unit) {
    return std::any_of(unit.frames.begin(), unit.frames.end(), [&](const FrameRun& run) {
      const auto block = blocks.lower_bound(run.first / kBlockFrames);
      return block != blocks.end() && *block <= (run.first + run.count - 1) / kBlockFrames;
    });
  });
  for (const uint64_t block : blocks) {
    fallocate(memory_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
              static_cast<off_t>(block * kHugePageBytes), kHugePageBytes);
    ledger_->Mark({block * kBlockFrames, kBlockFrames}, false);
  }
}

absl::Status KeptMemory::MakeNew(DescriptorStore& store, uint64_t size_bytes) {
  absl::StatusOr<Descriptor> memory = MakeHugeFile(size_bytes);
  if (!memory.ok()) memory = MakeFile(kMemoryName, size_bytes, 0);
  ECF8_RETURN_IF_ERROR(memory.status());
  memory_ = *std::move(memory);
  const uint64_t frame_count = size_bytes / kFrameBytes;
  ECF8_ASSIGN_OR_RETURN(ledger_file_,
                        MakeFile(kLedgerName, FrameLedger::SizeBytes(frame_count), 0));
  ECF8_RETURN_IF_ERROR(MapLedger(FrameLedger::SizeBytes(frame_count)));
  ledger_.emplace(FrameLedger::Make(ledger_bytes_, kFrameBytes, frame_count));
  ECF8_RETURN_IF_ERROR(store.Put(kMemoryName, memory_));
  return store.Put(kLedgerName, ledger_file_);
}

absl::Status KeptMemory::MapLedger(uint64_t size_bytes) {
  void* const mapped =
      mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, ledger_file_.get(), 0);
  if (mapped == MAP_FAILED) return ErrnoStatus(errno, "cannot map the ledger of the host budget");
  ledger_bytes_ = {static_cast<uint8_t*>(mapped), size_bytes};
  return absl::OkStatus();
}

}  // namespace ecf8
