#include "loader/model/error_info.h"

#include <gtest/gtest.h>

#include "absl/strings/cord.h"

namespace ecf8 {
namespace {

ErrorInfo Full() {
  return {.reason = ErrorReason::kCorruptData,
          .model = "m",
          .unit = "layers.3",
          .tensor = std::string("odd:\0name\n12:", 13),
          .shard = "model-00001-of-00002.safetensors",
          .offset_bytes = 0xFFFF'FFFF'FFFF'FFFFu,
          .shortfall_bytes = 4096,
          .holder = "pins of model \"m\""};
}

TEST(ErrorInfo, ComesBackAsItWasAttached) {
  const absl::Status status = WithErrorInfo(absl::DataLossError("x"), Full());
  EXPECT_EQ(status.message(), "x");
  ASSERT_TRUE(GetErrorInfo(status).has_value());
  EXPECT_EQ(*GetErrorInfo(status), Full());
}

TEST(ErrorInfo, ReplacesWhatWasThere) {
  absl::Status status = WithErrorInfo(absl::DataLossError("x"), Full());
  status = WithErrorInfo(status, {.reason = ErrorReason::kReadFailed});
  EXPECT_EQ(*GetErrorInfo(status), ErrorInfo{.reason = ErrorReason::kReadFailed});
}

TEST(ErrorInfo, OkHasNone) {
  EXPECT_TRUE(WithErrorInfo(absl::OkStatus(), Full()).ok());
  EXPECT_FALSE(GetErrorInfo(absl::OkStatus()).has_value());
  EXPECT_FALSE(GetErrorInfo(absl::DataLossError("x")).has_value());
}

TEST(ErrorInfo, IgnoresABadPayload) {
  const absl::Status good = WithErrorInfo(absl::DataLossError("x"), Full());
  std::string url;
  std::string payload;
  good.ForEachPayload([&](absl::string_view type, const absl::Cord& bytes) {
    url = std::string(type);
    payload = std::string(bytes);
  });
  for (size_t size = 0; size < payload.size(); ++size) {
    absl::Status cut = absl::DataLossError("x");
    cut.SetPayload(url, absl::Cord(payload.substr(0, size)));
    EXPECT_FALSE(GetErrorInfo(cut).has_value()) << size;
  }
  absl::Status unknown_reason = absl::DataLossError("x");
  unknown_reason.SetPayload(url, absl::Cord("2:99" + payload.substr(3)));
  EXPECT_FALSE(GetErrorInfo(unknown_reason).has_value());
}

}  // namespace
}  // namespace ecf8
