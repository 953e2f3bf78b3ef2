#include "tools/ecf8/scratch_file.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <random>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/file.h"
#include "loader/base/strings.h"

namespace ecf8 {
namespace {

namespace fs = std::filesystem;

// The largest shard of at least `size_bytes`, or "".
absl::StatusOr<std::string> LargestShard(const std::string& directory, uint64_t size_bytes) {
  std::error_code error;
  std::string largest;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().extension() != ".safetensors" || !entry->is_regular_file(error)) continue;
    const uint64_t found_bytes = entry->file_size(error);
    if (error || found_bytes < size_bytes) continue;
    size_bytes = found_bytes;
    largest = entry->path().string();
  }
  if (error) {
    return ErrnoStatus(error.value(), absl::StrCat("cannot list ", Quoted(directory, 1024)));
  }
  return largest;
}

absl::Status Fill(File& file, uint64_t size_bytes, const std::atomic<bool>& cancel) {
  std::vector<uint64_t> block(1 << 17);  // 1 MiB, each with a number of its own
  std::mt19937_64 random(1);
  std::generate(block.begin(), block.end(), random);
  const uint64_t block_bytes = block.size() * sizeof(block[0]);
  for (uint64_t offset = 0; offset < size_bytes; offset += block_bytes) {
    if (cancel) return absl::CancelledError("interrupted");
    std::for_each(block.begin(), block.end(), [](uint64_t& word) { word = word * 3 + 1; });
    const uint64_t count = std::min(block_bytes, size_bytes - offset);
    ECF8_RETURN_IF_ERROR(
        file.WriteAt(offset, {reinterpret_cast<const uint8_t*>(block.data()), count}));
  }
  return file.Sync();
}

}  // namespace

absl::StatusOr<std::unique_ptr<ScratchFile>> ScratchFile::Find(const std::string& directory,
                                                               uint64_t size_bytes,
                                                               const std::atomic<bool>& cancel) {
  ECF8_ASSIGN_OR_RETURN(std::string shard, LargestShard(directory, size_bytes));
  if (!shard.empty()) return std::unique_ptr<ScratchFile>(new ScratchFile(std::move(shard), false));
  const std::string path = absl::StrCat(directory, "/.ecf8-bench-", ::getpid());
  ECF8_ASSIGN_OR_RETURN(File file, File::CreateForWrite(path));
  std::unique_ptr<ScratchFile> scratch(new ScratchFile(path, true));
  ECF8_RETURN_IF_ERROR(Fill(file, size_bytes, cancel));
  return scratch;
}

ScratchFile::~ScratchFile() {
  if (made_) ::unlink(path_.c_str());
}

}  // namespace ecf8
