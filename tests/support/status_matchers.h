// Matchers for absl::Status and absl::StatusOr.
//
//   EXPECT_THAT(file.Sync(), IsOk());
//   EXPECT_THAT(Parse(bytes), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("tensor \"w\"")));
#ifndef ECF8_TESTS_SUPPORT_STATUS_MATCHERS_H_
#define ECF8_TESTS_SUPPORT_STATUS_MATCHERS_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace ecf8::testing {

inline const absl::Status& GetStatus(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& GetStatus(const absl::StatusOr<T>& status_or) {
  return status_or.status();
}

MATCHER(IsOk, "is OK") {
  *result_listener << GetStatus(arg).ToString();
  return GetStatus(arg).ok();
}

// `message` is a matcher of std::string.
MATCHER_P2(StatusIs, code, message, "has the code and a matching message") {
  const absl::Status& status = GetStatus(arg);
  *result_listener << "which is " << status.ToString();
  return status.code() == code &&
         ::testing::ExplainMatchResult(message, std::string(status.message()), result_listener);
}

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_SUPPORT_STATUS_MATCHERS_H_
