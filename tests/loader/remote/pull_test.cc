// Models from a server that misbehaves on command.

#include "loader/remote/pull.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "loader/base/staged_directory.h"
#include "loader/model/compressed_model.h"
#include "loader/model/error_info.h"
#include "loader/remote/open_source.h"
#include "tests/support/model_server.h"
#include "tests/support/small_model.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_model.h"

namespace ecf8 {
namespace {

namespace fs = std::filesystem;

using absl::StatusCode;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::ModelServer;
using ::ecf8::testing::StatusIs;
using ::testing::_;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

class PullTest : public ::testing::Test {
 protected:
  PullTest() {
    // Two shards of four units each or so, and files besides, one in a directory.
    testing::WritePlainModel(directory_ / "plain", {.layers = 6});
    testing::WriteFile(directory_ / "plain/tokenizer/tokenizer.json",
                       testing::NoiseBytes(300'000, 8));
    testing::WriteFile(directory_ / "plain/empty.txt", "");
    Compress("plain", "www/model", 7'000'000);
    options_.http.retry = {.attempts = 4, .budget = 50, .first_ms = 1, .longest_ms = 4};
  }

  void Compress(const std::string& from, const std::string& to, uint64_t shard_size_bytes) {
    fs::create_directories(directory_ / "www");
    JobOptions job;
    job.shard_size_bytes = shard_size_bytes;
    ASSERT_THAT(CompressModel(directory_ / from, directory_ / to, job), IsOk());
  }

  absl::StatusOr<PullSummary> Pull(PullOptions options = {}, const std::string& path = "model") {
    auto source = OpenObjectSource(server_.Url(path), options_);
    EXPECT_THAT(source, IsOk());
    return PullModel(**source, directory_ / "pulled", options);
  }
  void ExpectPulled(const std::string& from = "www/model") {
    testing::ExpectSameFiles(directory_ / "pulled", directory_ / from);
    EXPECT_FALSE(fs::exists(partial_));
  }
  std::string DigestOf(const std::string& path) const {
    return testing::OpenModel(directory_ / path)->digest();
  }
  // The place of a unit in a shard's file.
  std::pair<std::string, uint64_t> PlaceOf(const std::string& id) const {
    const auto model = testing::OpenModel(directory_ / "www/model");
    const uint32_t unit = model->FindUnit(id).value();
    return {model->shard_of(unit).file_name, model->unit(unit).offset_bytes};
  }
  // One that goes wrong when most has come: the last layer never does.
  absl::Status PullButTheLast() {
    const auto [shard, offset] = PlaceOf("layers.5");
    server_.SetFaults({"last -1 " + shard + " flip " + std::to_string(offset + 5000)});
    options_.http.connections = 1;
    const absl::Status status = Pull().status();
    server_.SetFaults({});
    return status;
  }
  void Overwrite(const std::string& path, uint64_t offset, std::string_view bytes) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(offset));
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    ASSERT_TRUE(file.good());
  }

  testing::TempDir directory_;
  ModelServer server_{directory_ / "www"};
  SourceOptions options_;
  const std::string partial_ = directory_ / ".pulled.ecf8-partial";
};

TEST_F(PullTest, BringsEveryFile) {
  uint64_t last_done = 0;
  uint64_t last_total = 0;
  PullOptions options;
  options.digest = DigestOf("www/model");
  options.progress = [&](const Progress& progress) {
    last_done = progress.done_bytes;
    last_total = progress.total_bytes;
  };
  const auto summary = Pull(options);
  ASSERT_THAT(summary, IsOk());
  ExpectPulled();
  EXPECT_EQ(summary->digest, options.digest);
  EXPECT_EQ(summary->unit_count, 8u);
  EXPECT_EQ(summary->resumed_bytes, 0u);
  EXPECT_EQ(summary->retries, 0u);
  uint64_t size = 0;
  for (const auto& [path, bytes] : testing::ReadTree(directory_ / "pulled")) size += bytes.size();
  EXPECT_EQ(summary->size_bytes, size);
  EXPECT_EQ(last_total, summary->fetched_bytes);
  EXPECT_EQ(last_done, last_total);
  EXPECT_LT(summary->fetched_bytes, size);
}

TEST_F(PullTest, ASingleShardNeedsNoIndexAndMayHaveAnyName) {
  fs::create_directories(directory_ / "one");
  fs::rename(directory_ / "plain/model.safetensors", directory_ / "one/tiny.safetensors");
  Compress("one", "www/one", 5'000'000'000);
  ASSERT_THAT(Pull({}, "one").status(),
              StatusIs(StatusCode::kNotFound, HasSubstr("no ecf8 model")));
  EXPECT_FALSE(fs::exists(partial_)) << "nothing had come";
  ASSERT_THAT(Pull({}, "one/tiny.safetensors"), IsOk());
  ExpectPulled("www/one");
}

TEST_F(PullTest, AFlippedByteIsFetchedAgain) {
  const auto [shard, offset] = PlaceOf("layers.3");
  server_.SetFaults(
      {"a 1 " + shard + " flip " + std::to_string(offset + 100'000), "b 2 tokenizer.json flip 7"});
  const auto summary = Pull();
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->damaged_parts, 3u);
  ExpectPulled();
}

TEST_F(PullTest, AByteThatIsAlwaysWrongIsNamedAndNothingAppears) {
  const auto [shard, offset] = PlaceOf("layers.3");
  server_.SetFaults({"a -1 " + shard + " flip " + std::to_string(offset + 100'000)});
  EXPECT_THAT(Pull(), StatusIs(StatusCode::kDataLoss,
                               AllOf(HasSubstr(shard), HasSubstr("unit \"layers.3\""),
                                     HasSubstr("chunk 0"), HasSubstr("fetched 3 times"))));
  EXPECT_FALSE(fs::exists(directory_ / "pulled"));
  fs::remove_all(partial_);  // which has that file
  server_.SetFaults({"b -1 tokenizer.json flip 7"});
  EXPECT_THAT(Pull(), StatusIs(StatusCode::kDataLoss, HasSubstr("tokenizer/tokenizer.json")));
  EXPECT_FALSE(fs::exists(directory_ / "pulled"));
}

TEST_F(PullTest, AFlippedByteOfAHeadIsFetchedAgainOrNamed) {
  const auto model = testing::OpenModel(directory_ / "www/model");
  ASSERT_EQ(model->shards().size(), 2u);
  for (const Shard& shard : model->shards()) {
    for (const uint64_t offset :
         {uint64_t{3}, uint64_t{100}, shard.manifest_offset_bytes + 50, shard.size_bytes - 1}) {
      const std::string fault = " " + shard.file_name + " flip " + std::to_string(offset);
      const std::string name = shard.file_name.substr(0, 11) + std::to_string(offset);
      server_.SetFaults({name + "1 1" + fault});
      EXPECT_THAT(Pull({.replace = true}), IsOk()) << offset;
      ExpectPulled();
      server_.SetFaults({name + "2 -1" + fault});
      EXPECT_THAT(Pull({.replace = true}),
                  StatusIs(StatusCode::kDataLoss, HasSubstr(shard.file_name)))
          << offset;
    }
  }
}

TEST_F(PullTest, GoesOnWhereItEnded) {
  ASSERT_THAT(PullButTheLast(), StatusIs(StatusCode::kDataLoss, HasSubstr("layers.5")));
  EXPECT_FALSE(fs::exists(directory_ / "pulled"));
  const size_t before = server_.Log().size();
  const auto summary = Pull();
  ASSERT_THAT(summary, IsOk());
  ExpectPulled();
  EXPECT_GT(summary->resumed_bytes, 4 * summary->fetched_bytes);
  // Six for the heads of two shards, one for the index, and what was missing.
  EXPECT_LT(server_.Log().size() - before, 11u);
}

TEST_F(PullTest, WhatIsThereIsNotBelieved) {
  ASSERT_THAT(PullButTheLast(), Not(IsOk()));
  const auto [shard, offset] = PlaceOf("layers.1");
  Overwrite(partial_ + "/" + shard, offset + 4000, "not what was there");
  Overwrite(partial_ + "/tokenizer/tokenizer.json", 0, "nor here");
  testing::WriteFile(partial_ + "/of-another-model.safetensors", "x");
  const auto summary = Pull();
  ASSERT_THAT(summary, IsOk());
  ExpectPulled();
  EXPECT_EQ(summary->damaged_parts, 0u) << "that was not the source's fault";
}

TEST_F(PullTest, AModelThatHasChangedMeanwhileIsFetchedAnew) {
  ASSERT_THAT(PullButTheLast(), Not(IsOk()));
  fs::remove_all(directory_ / "www/model");
  fs::remove_all(directory_ / "plain");
  testing::WritePlainModel(directory_ / "plain", {.layers = 3, .projection_rows = 2100});
  Compress("plain", "www/model", 4'000'000);
  ASSERT_THAT(Pull(), IsOk());
  ExpectPulled();
}

TEST_F(PullTest, AModelThatChangesMeanwhileIsRefused) {
  const auto [shard, offset] = PlaceOf("layers.3");
  Overwrite(directory_ / "www/model/" + shard, offset + 10, "other weights");
  EXPECT_THAT(Pull(), StatusIs(StatusCode::kDataLoss, HasSubstr("layers.3")));
  fs::remove_all(partial_);  // which has the file that changes now
  std::ofstream(directory_ / "www/model/tokenizer/tokenizer.json", std::ios::app) << "longer";
  EXPECT_THAT(Pull(), StatusIs(StatusCode::kDataLoss, HasSubstr("300006 bytes there")));
}

TEST_F(PullTest, FaultsThatPassDoNotMatter) {
  server_.SetFaults({"a 3 model-00001 status 503,0", "b 2 model-00002 truncate 1000",
                     "c 2 tokenizer status 500", "d 1 index status 429"});
  const auto summary = Pull();
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->retries, 8u);
  ExpectPulled();
}

TEST_F(PullTest, AnotherDigestIsRefusedBeforeAnyWeights) {
  EXPECT_THAT(Pull({.digest = "0123456789abcdef"}),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr(DigestOf("www/model"))));
  EXPECT_FALSE(fs::exists(directory_ / "pulled"));
  EXPECT_FALSE(fs::exists(partial_));
  EXPECT_EQ(server_.Log().size(), 7u);
}

TEST_F(PullTest, TwoIntoOneDestinationDoNotMix) {
  const auto other = StagedDirectory::Resume(directory_ / "pulled", false);
  ASSERT_THAT(other, IsOk());
  EXPECT_THAT(Pull(), StatusIs(StatusCode::kFailedPrecondition, HasSubstr("another process")));
}

TEST_F(PullTest, ADestinationIsReplacedOnlyOnCommand) {
  testing::WriteFile(directory_ / "pulled/mine", "x");
  EXPECT_THAT(Pull(), StatusIs(StatusCode::kAlreadyExists, _));
  EXPECT_EQ(server_.Log().size(), 0u);
  ASSERT_THAT(Pull({.replace = true}), IsOk());
  ExpectPulled();
}

TEST_F(PullTest, RefusalsAreNamed) {
  server_.SetFaults({"a -1 00002 status 403"});
  EXPECT_THAT(Pull(), StatusIs(StatusCode::kPermissionDenied, HasSubstr("expired")));
  server_.SetFaults({"b -1 model redirect {path}"});
  EXPECT_THAT(Pull(), StatusIs(StatusCode::kFailedPrecondition, HasSubstr("circle")));
  server_.SetFaults({"c -1 safetensors$ whole"});
  EXPECT_THAT(Pull(), StatusIs(StatusCode::kFailedPrecondition, HasSubstr("parts of files")));
  server_.SetFaults({});
  EXPECT_THAT(Pull({}, "nothing"), StatusIs(StatusCode::kNotFound, _));
}

TEST_F(PullTest, APlainModelIsNone) {
  fs::rename(directory_ / "plain", directory_ / "www/plain");
  EXPECT_THAT(Pull({}, "plain"), StatusIs(StatusCode::kNotFound, HasSubstr("no ecf8 model")));
}

TEST_F(PullTest, CancelKeepsWhatHasCome) {
  std::atomic<bool> cancel = false;
  options_.http.cancel = &cancel;
  options_.http.connections = 1;
  PullOptions options;
  options.cancel = &cancel;
  options.progress = [&cancel](const Progress& progress) {
    if (progress.done_bytes > progress.total_bytes / 2) cancel = true;
  };
  ASSERT_THAT(Pull(options), StatusIs(StatusCode::kCancelled, _));
  EXPECT_FALSE(fs::exists(directory_ / "pulled"));
  cancel = false;
  const auto summary = Pull();
  ASSERT_THAT(summary, IsOk());
  EXPECT_GT(summary->resumed_bytes, summary->fetched_bytes / 4);
  ExpectPulled();
}

TEST(OpenObjectSource, KnowsItsSchemes) {
  for (const char* address : {"", "/dir", "ftp://h/m", "https://", "https://h/m?sig=1",
                              "https://u:p@h/m", "http://h/m.safetensors?x"}) {
    EXPECT_THAT(OpenObjectSource(address, {}), StatusIs(StatusCode::kInvalidArgument, _))
        << address;
  }
  SourceOptions options;
  options.token = "with space";
  EXPECT_THAT(OpenObjectSource("https://h/m", options),
              StatusIs(StatusCode::kInvalidArgument, Not(HasSubstr("with space"))));
  EXPECT_THAT(OpenObjectSource("https://h/m", {}), IsOk());
}

}  // namespace
}  // namespace ecf8
