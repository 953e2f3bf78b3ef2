#include "rpc/error_status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "ecf8/v1/error.pb.h"
#include "ecf8/v1/rpc_status.pb.h"
#include "loader/model/error_info.h"
#include "rpc/status_table.h"

namespace ecf8 {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

v1::ErrorDetail DetailOf(const grpc::Status& status) {
  v1::RpcStatus envelope;
  v1::ErrorDetail detail;
  EXPECT_TRUE(envelope.ParseFromString(status.error_details()));
  EXPECT_EQ(envelope.code(), status.error_code());
  EXPECT_EQ(envelope.message(), status.error_message());
  EXPECT_EQ(envelope.details_size(), 1);
  if (envelope.details_size() == 1) {
    EXPECT_EQ(envelope.details(0).type_url(), "type.googleapis.com/ecf8.v1.ErrorDetail");
    EXPECT_TRUE(envelope.details(0).UnpackTo(&detail));
  }
  return detail;
}

const ErrorInfo kDamage{.reason = ErrorReason::kCorruptData,
                        .model = "m",
                        .unit = "layers.3",
                        .tensor = "a.weight",
                        .shard = "model-00001-of-00002.safetensors",
                        .offset_bytes = 8192,
                        .shortfall_bytes = 4096,
                        .holder = "pins of model \"m\""};

TEST(StatusTable, MapsEveryCodeToItsNamesakeAndBack) {
  for (int number = 0; number <= 16; ++number) {
    const auto code = static_cast<absl::StatusCode>(number);
    EXPECT_EQ(static_cast<int>(GrpcCodeFor(code)), number);
    EXPECT_EQ(AbslCodeFor(static_cast<grpc::StatusCode>(number)), code);
    EXPECT_EQ(ExitStatusFor(code), number == 0 ? kExitDone : kExitFailed);
  }
  EXPECT_EQ(AbslCodeFor(static_cast<grpc::StatusCode>(17)), absl::StatusCode::kUnknown);
}

TEST(ErrorStatus, DamageNamesAllButThePath) {
  const grpc::Status status = ToGrpcStatus(
      WithErrorInfo(absl::DataLossError("/srv/models/m/model-00001.safetensors: bad chunk"),
                    kDamage),
      "req-7");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DATA_LOSS);
  for (const char* part :
       {"\"m\"", "layers.3", "a.weight", "model-00001-of-00002.safetensors", "8192"}) {
    EXPECT_THAT(status.error_message(), HasSubstr(part));
  }
  EXPECT_THAT(status.error_message(), Not(HasSubstr("/")));
  EXPECT_THAT(status.error_details(), Not(HasSubstr("/srv")));
  const v1::ErrorDetail detail = DetailOf(status);
  EXPECT_EQ(detail.reason(), v1::ErrorDetail::CORRUPT_DATA);
  EXPECT_EQ(detail.model(), "m");
  EXPECT_EQ(detail.unit(), "layers.3");
  EXPECT_EQ(detail.tensor(), "a.weight");
  EXPECT_EQ(detail.shard(), "model-00001-of-00002.safetensors");
  EXPECT_EQ(detail.offset_bytes(), 8192u);
  EXPECT_EQ(detail.shortfall_bytes(), 4096u);
  EXPECT_EQ(detail.holder(), "pins of model \"m\"");
  EXPECT_EQ(detail.request_id(), "req-7");
}

TEST(ErrorStatus, WhatTheDaemonLacksToReadAModelIsTold) {
  const ErrorInfo info{.reason = ErrorReason::kReadFailed, .model = "m", .shard = "a.safetensors"};
  const grpc::Status status = ToGrpcStatus(
      WithErrorInfo(absl::ResourceExhaustedError("cannot open /srv/m/a: Too many open files"),
                    info),
      "");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), HasSubstr("model \"m\": the daemon has no file descriptors"));
  EXPECT_THAT(status.error_message(), Not(HasSubstr("/srv")));
  EXPECT_EQ(DetailOf(status).reason(), v1::ErrorDetail::READ_FAILED);
}

TEST(ErrorStatus, AnErrorWithoutInfoTellsNothing) {
  const grpc::Status status = ToGrpcStatus(absl::PermissionDeniedError("/etc/shadow: no"), "");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(status.error_message(), Not(HasSubstr("/")));
  EXPECT_THAT(status.error_details(), Not(HasSubstr("shadow")));
  EXPECT_EQ(DetailOf(status).reason(), v1::ErrorDetail::INTERNAL);
}

TEST(ErrorStatus, WhatTheClientDidWrongIsToldInFull) {
  const grpc::Status status = ToGrpcStatus(
      WithErrorInfo(absl::NotFoundError("no unit \"a/b\""), {.reason = ErrorReason::kUnitNotFound}),
      "");
  EXPECT_EQ(status.error_message(), "no unit \"a/b\"");
}

TEST(ErrorStatus, FitsIntoMetadataHoweverLongTheNames) {
  ErrorInfo info{.reason = ErrorReason::kTensorNotFound};
  info.model.assign(1 << 20, 'm');
  info.unit.assign(1 << 20, '\x01');
  info.tensor.assign(1 << 20, 'y');
  info.shard.assign(1 << 20, 's');
  info.holder.assign(1 << 20, 'h');
  const grpc::Status status =
      ToGrpcStatus(WithErrorInfo(absl::NotFoundError(std::string(1 << 20, '%')), info),
                   std::string(1 << 20, 'r'));
  EXPECT_LT(3 * status.error_message().size() + status.error_details().size() * 4 / 3, 8000u);
}

TEST(ErrorStatus, CutsAtACharacter) {
  std::string name;
  for (int i = 0; i < 200; ++i) name += "\xE2\x82\xAC";  // 600 bytes of euro signs
  const v1::ErrorDetail detail = DetailOf(ToGrpcStatus(
      WithErrorInfo(absl::NotFoundError("x"), {.reason = ErrorReason::kUnitNotFound, .unit = name}),
      ""));
  EXPECT_EQ(detail.unit().size(), 255u + 3);
}

TEST(ErrorStatus, ComesBackOnTheClientsSide) {
  const absl::Status status =
      FromGrpcStatus(ToGrpcStatus(WithErrorInfo(absl::DataLossError("x"), kDamage), "r"));
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  ASSERT_TRUE(GetErrorInfo(status).has_value());
  EXPECT_EQ(*GetErrorInfo(status), kDamage);
}

TEST(ErrorStatus, TheClientTrustsNoMessageAndNoDetail) {
  const absl::Status status = FromGrpcStatus(
      grpc::Status(grpc::StatusCode::INTERNAL, "a\x1b[31mb\n\xC2\x9B", "no protobuf"));
  EXPECT_EQ(status.message(), "a?[31mb???");
  EXPECT_FALSE(GetErrorInfo(status).has_value());
  EXPECT_TRUE(FromGrpcStatus(grpc::Status::OK).ok());
}

}  // namespace
}  // namespace ecf8
