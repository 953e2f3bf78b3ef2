#include "rpc/fetch_message.h"

#include <algorithm>
#include <array>
#include <optional>

#include "grpcpp/impl/codegen/proto_utils.h"

namespace ecf8 {
namespace {

// Fields as their tags say: number, then wire type (0: varint, 1: 8 bytes, 2: a length and bytes).
constexpr uint8_t Tag(int field, int wire_type) {
  return static_cast<uint8_t>(field << 3 | wire_type);
}
constexpr uint8_t kDataPart = Tag(v1::FetchResponse::kDataFieldNumber, 2);
constexpr uint8_t kOffset = Tag(v1::UnitData::kOffsetBytesFieldNumber, 0);
constexpr uint8_t kData = Tag(v1::UnitData::kDataFieldNumber, 2);
constexpr uint8_t kXxh3 = Tag(v1::UnitData::kXxh3FieldNumber, 1);

constexpr size_t kFixed64Bytes = 8;
constexpr size_t kMaxVarintBytes = 10;

// Puts the small fields together.
class Fields {
 public:
  void Byte(uint8_t byte) { bytes_[size_++] = byte; }
  void Varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) Byte(static_cast<uint8_t>(value | 0x80));
    Byte(static_cast<uint8_t>(value));
  }
  void Fixed64(uint64_t value) {
    for (size_t i = 0; i < kFixed64Bytes; ++i) Byte(static_cast<uint8_t>(value >> 8 * i));
  }
  void Append(const Fields& other) {
    std::copy_n(other.bytes_.begin(), other.size_, bytes_.begin() + size_);
    size_ += other.size_;
  }
  size_t size() const { return size_; }
  grpc::Slice slice() const { return grpc::Slice(bytes_.data(), size_); }

 private:
  std::array<uint8_t, 3 + 3 * kMaxVarintBytes> bytes_;
  size_t size_ = 0;
};

// Reads a message whose bytes lie in slices.
class SliceReader {
 public:
  explicit SliceReader(absl::Span<const grpc::Slice> slices) : slices_(slices) { PassEmpty(); }

  bool at_end() const { return slice_ == slices_.size(); }
  uint64_t left_bytes() const {
    uint64_t left = 0;
    for (size_t i = slice_; i < slices_.size(); ++i) left += slices_[i].size();
    return left - offset_;
  }

  std::optional<uint8_t> Byte() {
    if (at_end()) return std::nullopt;
    const uint8_t byte = slices_[slice_].begin()[offset_++];
    PassEmpty();
    return byte;
  }
  // The next byte is `byte`, and is taken.
  bool Take(uint8_t byte) {
    if (at_end() || slices_[slice_].begin()[offset_] != byte) return false;
    Byte();
    return true;
  }
  std::optional<uint64_t> Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const std::optional<uint8_t> byte = Byte();
      if (!byte) return std::nullopt;
      value |= static_cast<uint64_t>(*byte & 0x7F) << shift;
      if ((*byte & 0x80) == 0) return value;
    }
    return std::nullopt;
  }
  std::optional<uint64_t> Fixed64() {
    uint64_t value = 0;
    for (size_t i = 0; i < kFixed64Bytes; ++i) {
      const std::optional<uint8_t> byte = Byte();
      if (!byte) return std::nullopt;
      value |= static_cast<uint64_t>(*byte) << 8 * i;
    }
    return value;
  }
  // So many bytes, where they lie; false where there are not as many.
  bool Bytes(uint64_t count, std::vector<std::string_view>* pieces) {
    while (count > 0) {
      if (at_end()) return false;
      const grpc::Slice& slice = slices_[slice_];
      const size_t size = std::min<uint64_t>(count, slice.size() - offset_);
      pieces->emplace_back(reinterpret_cast<const char*>(slice.begin()) + offset_, size);
      offset_ += size;
      count -= size;
      PassEmpty();
    }
    return true;
  }

 private:
  void PassEmpty() {
    while (slice_ < slices_.size() && offset_ == slices_[slice_].size()) {
      ++slice_;
      offset_ = 0;
    }
  }

  const absl::Span<const grpc::Slice> slices_;
  size_t slice_ = 0;
  size_t offset_ = 0;  // in it
};

}  // namespace

// What has its default value is left out, as proto3 does.
grpc::ByteBuffer DataMessage(uint64_t offset_bytes, uint64_t xxh3, const grpc::Slice& data) {
  Fields head;
  if (offset_bytes != 0) {
    head.Byte(kOffset);
    head.Varint(offset_bytes);
  }
  if (data.size() != 0) {
    head.Byte(kData);
    head.Varint(data.size());
  }
  Fields tail;
  if (xxh3 != 0) {
    tail.Byte(kXxh3);
    tail.Fixed64(xxh3);
  }
  Fields lead;
  lead.Byte(kDataPart);
  lead.Varint(head.size() + data.size() + tail.size());
  lead.Append(head);
  const std::array<grpc::Slice, 3> slices = {lead.slice(), data, tail.slice()};
  return grpc::ByteBuffer(slices.data(), slices.size());
}

grpc::ByteBuffer PlainMessage(const v1::FetchResponse& message) {
  grpc::ByteBuffer buffer;
  bool own_buffer = false;
  // Fails only beyond 2 GiB.
  grpc::SerializationTraits<v1::FetchResponse>::Serialize(message, &buffer, &own_buffer);
  return buffer;
}

absl::Status ReceivedMessage::Parse(const grpc::ByteBuffer& buffer) {
  slices_.clear();
  if (!buffer.Dump(&slices_).ok()) return absl::DataLossError("a message that is none");
  is_data_ = ParseData();
  if (is_data_) return absl::OkStatus();
  grpc::ByteBuffer copy(buffer);  // of the reference, which parsing takes
  if (!grpc::SerializationTraits<v1::FetchResponse>::Deserialize(&copy, &plain_).ok()) {
    return absl::DataLossError("the daemon broke the protocol: a message that does not parse");
  }
  if (plain_.has_data()) {
    is_data_ = true;
    offset_bytes_ = plain_.data().offset_bytes();
    xxh3_ = plain_.data().xxh3();
    data_.assign(1, plain_.data().data());
  }
  return absl::OkStatus();
}

bool ReceivedMessage::ParseData() {
  SliceReader reader(slices_);
  data_.clear();
  offset_bytes_ = xxh3_ = 0;
  if (!reader.Take(kDataPart)) return false;
  const std::optional<uint64_t> part_bytes = reader.Varint();
  if (!part_bytes || *part_bytes != reader.left_bytes()) return false;
  if (reader.Take(kOffset)) {
    const std::optional<uint64_t> offset = reader.Varint();
    if (!offset) return false;
    offset_bytes_ = *offset;
  }
  if (reader.Take(kData)) {
    const std::optional<uint64_t> size = reader.Varint();
    if (!size || !reader.Bytes(*size, &data_)) return false;
  }
  if (reader.Take(kXxh3)) {
    const std::optional<uint64_t> xxh3 = reader.Fixed64();
    if (!xxh3) return false;
    xxh3_ = *xxh3;
  }
  return reader.at_end();
}

}  // namespace ecf8
