// Messages of data as they travel: the bytes that the generated code would write, however they are
// cut when they come.

#include "rpc/fetch_message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;

grpc::Slice SliceOf(const std::string& text) { return grpc::Slice(text.data(), text.size()); }

std::string BytesOf(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  EXPECT_TRUE(buffer.Dump(&slices).ok());
  std::string bytes;
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

// Cut every `piece` bytes, with an empty slice here and there.
grpc::ByteBuffer Cut(const std::string& bytes, size_t piece) {
  std::vector<grpc::Slice> slices;
  for (size_t i = 0; i < bytes.size(); i += piece) {
    slices.push_back(SliceOf(bytes.substr(i, piece)));
    if (i % 3 == 0) slices.emplace_back();
  }
  return grpc::ByteBuffer(slices.data(), slices.size());
}

v1::FetchResponse Message(uint64_t offset_bytes, uint64_t xxh3, const std::string& data) {
  v1::FetchResponse message;
  message.mutable_data()->set_offset_bytes(offset_bytes);
  message.mutable_data()->set_xxh3(xxh3);
  message.mutable_data()->set_data(data);
  return message;
}

std::string DataOf(const ReceivedMessage& message) {
  std::string data;
  for (const std::string_view piece : message.data()) data += piece;
  return data;
}

const std::vector<v1::FetchResponse>& Samples() {
  static const auto* const samples = new std::vector<v1::FetchResponse>{
      Message(0, 0, ""),
      Message(0, 0, "x"),
      Message(0, 7, ""),
      Message(1, 0, ""),
      Message(127, 0x0123456789ABCDEF, std::string(127, 'a')),
      Message(128, ~uint64_t{0}, std::string(128, '\0')),
      Message((uint64_t{1} << 28) - 1, 1, std::string(20'000, 'b')),
      Message(~uint64_t{0}, uint64_t{1} << 63, std::string((1 << 20), 'c')),
  };
  return *samples;
}

TEST(FetchMessage, IsWhatTheGeneratedCodeWrites) {
  for (const v1::FetchResponse& sample : Samples()) {
    const v1::UnitData& data = sample.data();
    EXPECT_EQ(BytesOf(DataMessage(data.offset_bytes(), data.xxh3(), SliceOf(data.data()))),
              sample.SerializeAsString());
  }
}

TEST(FetchMessage, SharesTheData) {
  const std::string data(100'000, 'd');
  const grpc::Slice slice = SliceOf(data);
  std::vector<grpc::Slice> slices;
  ASSERT_TRUE(DataMessage(5, 6, slice).Dump(&slices).ok());
  EXPECT_TRUE(std::any_of(slices.begin(), slices.end(), [&](const grpc::Slice& piece) {
    return piece.begin() == slice.begin() && piece.size() == slice.size();
  }));
}

TEST(FetchMessage, IsReadHoweverItIsCut) {
  ReceivedMessage received;
  for (const v1::FetchResponse& sample : Samples()) {
    const std::string bytes = sample.SerializeAsString();
    for (const size_t piece : {size_t{1}, size_t{2}, size_t{3}, size_t{16'384}, bytes.size()}) {
      if (bytes.size() / piece > 50'000) continue;
      ASSERT_THAT(received.Parse(Cut(bytes, piece)), IsOk());
      ASSERT_TRUE(received.is_data());
      EXPECT_EQ(received.offset_bytes(), sample.data().offset_bytes());
      EXPECT_EQ(received.xxh3(), sample.data().xxh3());
      EXPECT_EQ(DataOf(received), sample.data().data());
    }
  }
}

TEST(FetchMessage, IsReadInAnyOrderAndWithMore) {
  const std::string data = Message(300, 0, "some").SerializeAsString().substr(2);
  const std::string xxh3 = Message(0, 99, "").SerializeAsString().substr(2);
  const std::string unknown = "\x78\x05";  // field 15: 5
  ReceivedMessage received;
  for (const std::string& part : {xxh3 + data, unknown + data + xxh3, data + unknown + xxh3}) {
    const std::string bytes = "\x12" + std::string(1, static_cast<char>(part.size())) + part;
    for (const std::string& whole : {bytes, unknown + bytes, bytes + unknown}) {
      ASSERT_THAT(received.Parse(Cut(whole, 4)), IsOk());
      ASSERT_TRUE(received.is_data());
      EXPECT_EQ(received.offset_bytes(), 300u);
      EXPECT_EQ(received.xxh3(), 99u);
      EXPECT_EQ(DataOf(received), "some");
    }
  }
  // Data that is followed by another part is that other part.
  v1::FetchResponse end;
  end.mutable_end()->set_data_size_bytes(4);
  const std::string both = Message(0, 1, "x").SerializeAsString() + end.SerializeAsString();
  ASSERT_THAT(received.Parse(Cut(both, 2)), IsOk());
  EXPECT_FALSE(received.is_data());
  EXPECT_EQ(received.plain().end().data_size_bytes(), 4u);
}

TEST(FetchMessage, OtherPartsAreReadAsTheyAre) {
  ReceivedMessage received;
  v1::FetchResponse begin;
  begin.mutable_begin()->set_form(v1::FORM_DECODED);
  begin.mutable_begin()->mutable_unit()->set_id("layers.0");
  ASSERT_THAT(received.Parse(PlainMessage(begin)), IsOk());
  EXPECT_FALSE(received.is_data());
  EXPECT_EQ(received.plain().begin().unit().id(), "layers.0");
  ASSERT_THAT(received.Parse(grpc::ByteBuffer(nullptr, 0)), IsOk());
  EXPECT_FALSE(received.is_data());
  EXPECT_EQ(received.plain().part_case(), v1::FetchResponse::PART_NOT_SET);
}

TEST(FetchMessage, WhatDoesNotParseIsRefused) {
  ReceivedMessage received;
  const std::string bytes = Message(300, 99, "some data").SerializeAsString();
  for (size_t size = 1; size < bytes.size(); ++size) {
    EXPECT_EQ(received.Parse(Cut(bytes.substr(0, size), 5)).code(), absl::StatusCode::kDataLoss)
        << size;
  }
  EXPECT_EQ(received.Parse(Cut("\x12\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 3)).code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(received.Parse(Cut("\x12\x03\x12\xFF\x01", 2)).code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace ecf8
