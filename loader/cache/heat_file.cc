#include "loader/cache/heat_file.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "decoder/checksum.h"
#include "decoder/endian.h"
#include "decoder/status_macros.h"
#include "loader/base/file.h"
#include "loader/base/strings.h"
#include "loader/cache/byte_stream.h"

namespace ecf8 {
namespace {

constexpr char kMagic[8] = {'E', 'C', 'F', '8', 'H', 'E', 'A', '\0'};
constexpr uint32_t kVersion = 1;
constexpr size_t kHeaderBytes = 24;
constexpr size_t kChecksumBytes = 8;
constexpr size_t kChanceBytes = 2;
constexpr float kScale = 65535;
constexpr uint64_t kMaxFileBytes = kHeaderBytes + kMaxHeatUnits * kChanceBytes + kChecksumBytes;

absl::Status Damaged() { return absl::DataLossError("the heat file is damaged"); }

// Beside `path`, so that a rename is possible; removed if it stays.
absl::Status WriteBeside(const std::string& path, const std::string& temporary,
                         const std::vector<uint8_t>& bytes) {
  ECF8_ASSIGN_OR_RETURN(File file, File::CreateForWrite(temporary));
  ECF8_RETURN_IF_ERROR(file.WriteAt(0, bytes));
  ECF8_RETURN_IF_ERROR(file.Sync());
  std::error_code error;
  std::filesystem::rename(temporary, path, error);
  if (error) return ErrnoStatus(error.value(), absl::StrCat("cannot replace ", Quoted(path)));
  return absl::OkStatus();
}

}  // namespace

std::vector<uint8_t> SerializeHeat(const ModelHeat& heat) {
  ByteWriter writer;
  writer.Text({kMagic, sizeof(kMagic)});
  writer.U32(kVersion);
  writer.U32(static_cast<uint32_t>(heat.chances.size()));
  writer.U64(heat.digest);
  for (const float chance : heat.chances) {
    // A NaN becomes 0.
    const float clamped = chance > 0 ? std::min(chance, 1.0f) : 0;
    writer.U16(static_cast<uint16_t>(std::lround(clamped * kScale)));
  }
  writer.U64(Xxh3(writer.bytes()));
  return std::move(writer).Take();
}

absl::StatusOr<ModelHeat> ParseHeat(absl::Span<const uint8_t> bytes) {
  if (bytes.size() < kHeaderBytes + kChecksumBytes ||
      std::memcmp(bytes.data(), kMagic, sizeof(kMagic)) != 0) {
    return absl::DataLossError("the file is no ecf8 heat file");
  }
  const auto checked = bytes.first(bytes.size() - kChecksumBytes);
  ByteReader reader(checked.subspan(sizeof(kMagic)));
  if (reader.U32() != kVersion) {
    return absl::UnimplementedError("the heat file is of another version of ecf8");
  }
  const uint32_t count = reader.U32();
  ModelHeat heat;
  heat.digest = reader.U64();
  if (count > kMaxHeatUnits || reader.left() != count * kChanceBytes) return Damaged();
  if (Xxh3(checked) != LoadLe64(bytes.data() + checked.size())) return Damaged();
  heat.chances.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    heat.chances.push_back(static_cast<float>(reader.U16()) / kScale);
  }
  return heat;
}

absl::Status WriteHeat(const std::string& path, const ModelHeat& heat) {
  if (heat.chances.size() > kMaxHeatUnits) {
    return absl::InvalidArgumentError("heat is kept of at most 2^20 units");
  }
  const std::string temporary = path + ".new";
  std::error_code ignored;
  std::filesystem::remove(temporary, ignored);  // of a daemon that was killed while it wrote
  absl::Status status = WriteBeside(path, temporary, SerializeHeat(heat));
  if (!status.ok()) std::filesystem::remove(temporary, ignored);
  return status;
}

absl::StatusOr<ModelHeat> ReadHeat(const std::string& path, uint64_t digest, size_t unit_count) {
  ECF8_ASSIGN_OR_RETURN(const std::vector<uint8_t> bytes, ReadWhole(path, kMaxFileBytes));
  absl::StatusOr<ModelHeat> heat = ParseHeat(bytes);
  if (!heat.ok()) return AddContext(heat.status(), Quoted(path));
  if (heat->digest != digest || heat->chances.size() != unit_count) {
    return absl::FailedPreconditionError(absl::StrCat(Quoted(path), " is of another model"));
  }
  return heat;
}

}  // namespace ecf8
