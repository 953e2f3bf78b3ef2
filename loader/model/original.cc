#include "loader/model/original.h"

#include <zlib.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "decoder/checksum.h"
#include "decoder/endian.h"
#include "loader/base/strings.h"

namespace ecf8 {
namespace {

uint64_t HashOf(std::string_view text) {
  return Xxh3({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

}  // namespace

absl::StatusOr<Original> DeflateOriginal(Original::Kind kind, std::string path,
                                         std::string_view bytes) {
  if (bytes.size() > kMaxOriginalBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(Quoted(path), ": ", bytes.size(), " bytes are too many to keep"));
  }
  Original original;
  original.kind = kind;
  original.size_bytes = bytes.size();
  original.xxh3 = HashOf(bytes);
  uLongf size = compressBound(bytes.size());
  original.zlib.resize(size);
  const int result =
      compress2(reinterpret_cast<Bytef*>(original.zlib.data()), &size,
                reinterpret_cast<const Bytef*>(bytes.data()), bytes.size(), Z_BEST_COMPRESSION);
  if (result != Z_OK) {
    return absl::ResourceExhaustedError(absl::StrCat(Quoted(path), ": zlib failed: ", result));
  }
  original.zlib.resize(size);
  original.zlib.shrink_to_fit();
  original.path = std::move(path);
  return original;
}

absl::StatusOr<std::string> InflateOriginal(const Original& original) {
  const auto damaged = [&original](std::string_view what) {
    return absl::DataLossError(
        absl::StrCat("the kept original of ", Quoted(original.path), " ", ToAbsl(what)));
  };
  if (original.size_bytes > kMaxOriginalBytes) return damaged("is too large");
  // One byte more than expected, so that a longer stream is noticed, and no null pointer for none.
  std::string bytes(original.size_bytes + 1, '\0');
  uLongf size = bytes.size();
  uLong consumed = original.zlib.size();
  const int result = uncompress2(reinterpret_cast<Bytef*>(bytes.data()), &size,
                                 reinterpret_cast<const Bytef*>(original.zlib.data()), &consumed);
  if (result != Z_OK || consumed != original.zlib.size()) return damaged("is no valid zlib stream");
  if (size != original.size_bytes) return damaged("has another size than recorded");
  bytes.resize(size);
  if (HashOf(bytes) != original.xxh3) return damaged("does not match its checksum");
  return bytes;
}

std::string SafetensorsHead(std::string_view json) {
  uint8_t length[8];
  StoreLe64(length, json.size());
  std::string head(reinterpret_cast<const char*>(length), sizeof(length));
  head += json;
  return head;
}

}  // namespace ecf8
