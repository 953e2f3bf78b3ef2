// Buckets, and where the key comes from: with a server that checks signatures and gives keys.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "loader/remote/aws_access.h"
#include "loader/remote/http_source.h"
#include "loader/remote/pull.h"
#include "loader/remote/s3_layout.h"
#include "tests/support/model_server.h"
#include "tests/support/small_model.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_model.h"

namespace ecf8 {
namespace {

using absl::StatusCode;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::ModelServer;
using ::ecf8::testing::StatusIs;
using ::testing::_;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kId[] = "AKIDEXAMPLE";
constexpr char kSecret[] = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

TEST(S3Address, IsBucketAndPath) {
  const auto address = ParseS3Address("s3://my-bucket.1/a/b c/");
  ASSERT_THAT(address, IsOk());
  EXPECT_EQ(address->bucket, "my-bucket.1");
  EXPECT_EQ(address->path, "a/b c");
  EXPECT_EQ(ParseS3Address("s3://bucket")->path, "");
  for (const char* text :
       {"s3://", "s3://a", "s3://Bucket/a", "s3://-abc/a", "s3://a..b/c", "s3://a_b/c",
        "s3://bucket/../other", "s3://bucket/a//b", "s3://bucket/./a", "https://bucket/a",
        "s3://user@bucket/a", "s3://bucket:80/a"}) {
    EXPECT_THAT(ParseS3Address(text), StatusIs(StatusCode::kInvalidArgument, _)) << text;
  }
}

TEST(S3Address, HasAUrl) {
  EXPECT_EQ(S3Url({"bucket", "a b/c+d"}, "", "eu-west-1"),
            "https://bucket.s3.eu-west-1.amazonaws.com/a%20b/c%2Bd");
  EXPECT_EQ(S3Url({"with.dots", "a"}, "", "us-east-1"),
            "https://s3.us-east-1.amazonaws.com/with.dots/a");
  EXPECT_EQ(S3Url({"bucket", ""}, "http://127.0.0.1:9000/", "us-east-1"),
            "http://127.0.0.1:9000/bucket/");
}

class S3Test : public ::testing::Test {
 protected:
  S3Test() {
    testing::WritePlainModel(directory_ / "plain", {.layers = 2});
    std::filesystem::create_directories(directory_ / "www/bucket/a +b");
    std::filesystem::create_directories(directory_ / "home/.aws");
    JobOptions job;
    job.shard_size_bytes = 3'000'000;
    EXPECT_THAT(CompressModel(directory_ / "plain", directory_ / "www/bucket/a +b/model", job),
                IsOk());
    http_.retry = {.attempts = 3, .budget = 10, .first_ms = 1, .longest_ms = 4};
    environment_ = {{"HOME", directory_ / "home"},
                    {"AWS_REGION", "eu-central-1"},
                    {"AWS_EC2_METADATA_DISABLED", "true"}};
  }

  // That takes this key.
  void StartServer(const std::string& token = "") {
    std::string key = std::string(kId) + ":" + kSecret;
    if (!token.empty()) key += ":" + token;
    server_ =
        std::make_unique<ModelServer>(directory_ / "www", std::vector<std::string>{"--s3", key});
    environment_["AWS_ENDPOINT_URL_S3"] = server_->Url();
  }
  void SetKey(const std::string& secret, const std::string& token = "") {
    environment_["AWS_ACCESS_KEY_ID"] = kId;
    environment_["AWS_SECRET_ACCESS_KEY"] = secret;
    environment_["AWS_SESSION_TOKEN"] = token;
  }

  std::unique_ptr<AwsAccess> Access(bool is_anonymous = false) const {
    const auto get = [values = environment_](const std::string& name) {
      const auto found = values.find(name);
      return found == values.end() ? "" : found->second;
    };
    return std::make_unique<AwsAccess>(http_, get, is_anonymous);
  }
  absl::Status Pull(bool is_anonymous = false) const {
    std::filesystem::remove_all(directory_ / "pulled");
    auto layout = MakeS3Layout({"bucket", "a +b/model"}, Access(is_anonymous));
    EXPECT_THAT(layout, IsOk());
    auto client = HttpClient::Create(http_);
    EXPECT_THAT(client, IsOk());
    HttpSource source(*std::move(client), *std::move(layout), 4);
    return PullModel(source, directory_ / "pulled", {}).status();
  }
  void ExpectPulls() const {
    ASSERT_THAT(Pull(), IsOk());
    testing::ExpectSameFiles(directory_ / "pulled", directory_ / "www/bucket/a +b/model");
    EXPECT_THAT(server_->Log(), Each(Not(HasSubstr(kSecret))));
  }

  testing::TempDir directory_;
  HttpOptions http_;
  std::map<std::string, std::string> environment_;
  std::unique_ptr<ModelServer> server_;
};

TEST_F(S3Test, PullsWithAKeyOfTheEnvironment) {
  StartServer();
  SetKey(kSecret);
  ExpectPulls();
}

TEST_F(S3Test, PullsWithAKeyThatExpires) {
  StartServer("FwoGZXIvYXdzE//+=");
  SetKey(kSecret, "FwoGZXIvYXdzE//+=");
  ExpectPulls();
}

TEST_F(S3Test, AWrongKeyIsRefused) {
  StartServer();
  SetKey("another");
  EXPECT_THAT(Pull(),
              StatusIs(StatusCode::kPermissionDenied,
                       AllOf(HasSubstr("SignatureDoesNotMatch"), Not(HasSubstr("another")))));
  SetKey(kSecret, "expired");
  EXPECT_THAT(Pull(), StatusIs(StatusCode::kPermissionDenied, HasSubstr("InvalidToken")));
  EXPECT_THAT(Pull(/*is_anonymous=*/true),
              StatusIs(StatusCode::kPermissionDenied, HasSubstr("AccessDenied")));
  EXPECT_THAT(server_->Log().back(), HasSubstr(" - -")) << "nothing was signed";
}

TEST_F(S3Test, AnybodysBucketNeedsNoKey) {
  server_ = std::make_unique<ModelServer>(directory_ / "www");
  environment_["AWS_ENDPOINT_URL"] = server_->Url();
  EXPECT_THAT(Pull(), StatusIs(StatusCode::kNotFound, HasSubstr("there is no AWS key")));
  EXPECT_THAT(server_->Log(), IsEmpty());
  EXPECT_THAT(Pull(/*is_anonymous=*/true), IsOk());
}

TEST_F(S3Test, ASignatureGoesToNobodyElse) {
  StartServer();
  SetKey(kSecret);
  const ModelServer other(directory_ / "www");
  server_->SetFaults(
      {"r -1 index redirect " + other.Url("bucket/a%20%2Bb/model/model.safetensors.index.json")});
  ExpectPulls();
  for (const std::string& request : other.Log()) EXPECT_THAT(request, Not(HasSubstr("AWS4")));
  EXPECT_FALSE(other.Log().empty());
}

TEST_F(S3Test, KeysOfProfiles) {
  StartServer();
  testing::WriteFile(directory_ / "home/.aws/credentials",
                     "[default]\naws_access_key_id = x\naws_secret_access_key = y\n[work]\n"
                     "aws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = " +
                         std::string(kSecret) + "\n");
  testing::WriteFile(directory_ / "home/.aws/config",
                     "[profile work]\nregion = eu-north-1\n[profile process]\n"
                     "credential_process = /bin/true\n[profile half]\naws_access_key_id = z\n");
  EXPECT_THAT(Pull(), StatusIs(StatusCode::kPermissionDenied, HasSubstr("InvalidAccessKeyId")));
  environment_["AWS_PROFILE"] = "work";
  environment_.erase("AWS_REGION");
  EXPECT_EQ(Access()->region(), "eu-north-1");
  ExpectPulls();
  environment_["AWS_PROFILE"] = "process";
  EXPECT_THAT(Pull(), StatusIs(StatusCode::kFailedPrecondition, HasSubstr("credential_process")));
  environment_["AWS_PROFILE"] = "half";
  EXPECT_THAT(Pull(), StatusIs(StatusCode::kInvalidArgument, HasSubstr("not both")));
  environment_["AWS_PROFILE"] = "nobody";
  EXPECT_THAT(Pull(), StatusIs(StatusCode::kNotFound, HasSubstr("no such profile")));
  // The environment comes before all profiles.
  SetKey("");
  EXPECT_THAT(Pull(), StatusIs(StatusCode::kInvalidArgument, HasSubstr("only one is set")));
}

TEST_F(S3Test, KeysForAWebIdentity) {
  StartServer("a-session");
  testing::WriteFile(directory_ / "token", "j.w+t/=\n");
  environment_["AWS_WEB_IDENTITY_TOKEN_FILE"] = directory_ / "token";
  EXPECT_THAT(Pull(), StatusIs(StatusCode::kInvalidArgument, HasSubstr("AWS_ROLE_ARN")));
  environment_["AWS_ROLE_ARN"] = "arn:aws:iam::1:role/r";
  environment_["AWS_ENDPOINT_URL_STS"] = server_->Url();
  ExpectPulls();
  environment_["AWS_ROLE_ARN"] = "arn:aws:iam::1:role/another";
  EXPECT_THAT(Pull(), StatusIs(StatusCode::kPermissionDenied,
                               AllOf(HasSubstr("web identity"), HasSubstr("AccessDenied"),
                                     Not(HasSubstr("j.w")))));
}

TEST_F(S3Test, KeysOfAContainer) {
  StartServer("a-session");
  environment_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = server_->Url("container");
  EXPECT_THAT(Pull(), StatusIs(StatusCode::kPermissionDenied, HasSubstr("of the container")));
  environment_["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "let me in";
  ExpectPulls();
  environment_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://example.com/container";
  EXPECT_THAT(Pull(), StatusIs(StatusCode::kFailedPrecondition, HasSubstr("neither")));
}

TEST_F(S3Test, KeysOfAnInstance) {
  StartServer("a-session");
  environment_.erase("AWS_EC2_METADATA_DISABLED");
  environment_["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = server_->Url();
  ExpectPulls();
  environment_["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = "http://127.0.0.1:1";
  EXPECT_THAT(Pull(), StatusIs(StatusCode::kNotFound, HasSubstr("there is no AWS key")));
}

}  // namespace
}  // namespace ecf8
