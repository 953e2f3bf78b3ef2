#include "loader/base/beneath.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "loader/base/file.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ecf8 {
namespace {

namespace fs = std::filesystem;

using ::ecf8::testing::IsOk;
using ::ecf8::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::Not;

class BeneathTest : public ::testing::Test {
 protected:
  BeneathTest() {
    testing::WriteFile(directory_ / "secret/file", "secret");
    testing::WriteFile(directory_ / "root/in/file", "within");
    root_ = *OpenDirectory(directory_ / "root");
  }

  absl::StatusOr<Descriptor> Open(const std::string& relative) const {
    return OpenBeneath(root_, relative, O_RDONLY);
  }

  testing::TempDir directory_;
  Descriptor root_;
};

TEST_F(BeneathTest, OpensWhatIsWithin) {
  auto descriptor = Open("in/file");
  ASSERT_THAT(descriptor, IsOk());
  EXPECT_EQ(testing::ReadFile(ReopenPath(descriptor->get())), "within");
  fs::create_symlink("in", directory_ / "root/link");
  fs::create_symlink("../in/file", directory_ / "root/in/up");
  EXPECT_THAT(Open("link/file"), IsOk());
  EXPECT_THAT(Open("link/up"), IsOk());
  EXPECT_THAT(Open("in/../in/file"), IsOk());
}

TEST_F(BeneathTest, NothingLeadsOut) {
  const auto denied = absl::StatusCode::kPermissionDenied;
  fs::create_symlink("../secret", directory_ / "root/link");
  fs::create_symlink(directory_ / "secret", directory_ / "root/absolute");
  fs::create_symlink("/proc/self/root", directory_ / "root/magic");
  fs::create_symlink("loop", directory_ / "root/loop");
  for (const std::string& name :
       {std::string("../secret/file"), std::string("in/../../secret/file"),
        directory_ / "secret/file", std::string("link/file"), std::string("absolute/file"),
        std::string("magic"), std::string("loop"), std::string("..")}) {
    const auto opened = Open(name);
    EXPECT_THAT(opened, StatusIs(denied, HasSubstr("leads out"))) << name;
  }
}

TEST_F(BeneathTest, ErrorsNameNoOtherPath) {
  EXPECT_THAT(Open("none"), StatusIs(absl::StatusCode::kNotFound, Not(HasSubstr("root"))));
  EXPECT_THAT(Open(std::string("in\0/file", 8)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("NUL")));
  EXPECT_THAT(OpenDirectory(directory_ / "none"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
}

TEST_F(BeneathTest, AnOpenFileIsOpenedAgainWhateverHasBecomeOfIt) {
  const auto file = File::OpenForRead(directory_ / "root/in/file");
  ASSERT_THAT(file, IsOk());
  fs::remove(directory_ / "root/in/file");
  testing::WriteFile(directory_ / "root/in/file", "another");
  EXPECT_EQ(testing::ReadFile(ReopenPath(file->fd())), "within");
}

}  // namespace
}  // namespace ecf8
