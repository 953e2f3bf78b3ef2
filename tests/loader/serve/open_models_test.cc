#include "loader/serve/open_models.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/small_model.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::StatusIs;
using ::testing::HasSubstr;

class OpenModelsTest : public ::testing::Test {
 protected:
  OpenModelsTest() {
    testing::MakeCompressedModel(directory_.path(), "a", {.layers = 1, .projection_rows = 4});
  }

  absl::StatusOr<OpenedModels> Open(const std::vector<std::string>& directories) {
    skipped_.clear();
    return OpenModels(directories, &skipped_);
  }

  testing::TempDir directory_;
  std::vector<SkippedDirectory> skipped_;
};

TEST_F(OpenModelsTest, OpensAModelByItsDirectory) {
  const auto models = Open({directory_ / "a"});
  ASSERT_THAT(models, IsOk());
  ASSERT_EQ(models->size(), 1u);
  EXPECT_EQ(models->front()->name(), "a");
}

TEST_F(OpenModelsTest, OpensTheModelsOfAParentAndTellsWhatItSkips) {
  const auto models = Open({directory_.path()});  // "a", and "a.plain", which is no ecf8 model
  ASSERT_THAT(models, IsOk());
  EXPECT_EQ(models->size(), 1u);
  ASSERT_EQ(skipped_.size(), 1u);
  EXPECT_THAT(skipped_[0].directory, HasSubstr("a.plain"));
}

TEST_F(OpenModelsTest, RefusesWhatIsNoModel) {
  EXPECT_FALSE(Open({directory_ / "a.plain"}).ok());
  EXPECT_THAT(Open({directory_ / "missing"}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("missing")));
  std::filesystem::create_directory(directory_ / "empty");
  EXPECT_THAT(Open({directory_ / "empty"}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("empty")));
}

TEST_F(OpenModelsTest, RefusesADamagedModelAlsoWithinAParent) {
  for (const auto& entry : std::filesystem::directory_iterator(directory_ / "a")) {
    if (entry.path().extension() != ".safetensors") continue;
    std::filesystem::resize_file(entry.path(), entry.file_size() - 5);
  }
  EXPECT_THAT(Open({directory_ / "a"}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("safetensors")));
  EXPECT_THAT(Open({directory_.path()}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("safetensors")));
}

TEST_F(OpenModelsTest, RefusesNamesThatCannotBeSent) {
  for (const std::string name : {"new\nline", "\xFF", "quo\"te"}) {
    std::filesystem::copy(directory_ / "a", directory_ / name);
    EXPECT_THAT(Open({directory_ / name}),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("rename")));
  }
}

TEST_F(OpenModelsTest, RefusesTwoModelsOfOneName) {
  std::filesystem::create_directory(directory_ / "other");
  std::filesystem::copy(directory_ / "a", directory_ / "other/a");
  EXPECT_THAT(Open({directory_ / "a", directory_ / "other/a"}),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("\"a\"")));
}

}  // namespace
}  // namespace ecf8
