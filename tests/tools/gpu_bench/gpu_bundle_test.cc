// The bundle for machines with a GPU, as the target gpu_bundle has made it: small, self-contained,
// and plain about a machine that has no GPU.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "tests/support/subprocess.h"
#include "tests/support/temp_dir.h"

namespace ecf8 {
namespace {

using ::testing::HasSubstr;
using testing::RunProgram;
using testing::RunResult;
using testing::TempDir;
using Json = nlohmann::json;

const std::string kBundle = ECF8_BINARY_DIR "/gpu_bundle";
const std::vector<std::string> kPrograms = {"ecf8_gpu_bench", "gpu_test", "gpu_kernel_test"};
constexpr int kNoGpu = 3;

TEST(GpuBundleTest, TakesAtMost32MiB) {
  uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(kBundle)) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  RecordProperty("bytes", std::to_string(bytes));
  EXPECT_LE(bytes, uint64_t{32} << 20);
  EXPECT_GT(bytes, uint64_t{16} << 20);  // the models are there
}

TEST(GpuBundleTest, NeedsOnlyTheCLibrary) {
  for (const std::string& program : kPrograms) {
    const RunResult ldd = RunProgram({"/usr/bin/ldd", kBundle + "/" + program});
    ASSERT_EQ(ldd.exit_status, 0) << ldd.err;
    std::istringstream lines(ldd.out);
    for (std::string line; std::getline(lines, line);) {
      EXPECT_THAT(line, ::testing::ContainsRegex(
                            "(linux-vdso|libc|libm|libdl|libpthread|librt|ld-linux-x86-64)\\.so"))
          << program;
    }
  }
}

TEST(GpuBundleTest, SaysThatThereIsNoGpu) {
  if (RunProgram({kBundle + "/ecf8_gpu_bench", "--probe"}).exit_status == 0) {
    GTEST_SKIP() << "this machine has a GPU";
  }
  for (const std::string program : {"/run", "/ecf8_gpu_bench"}) {
    const RunResult result = RunProgram({kBundle + program});
    EXPECT_EQ(result.exit_status, kNoGpu);
    EXPECT_EQ(result.out, "");
    EXPECT_THAT(result.err, ::testing::ContainsRegex("ecf8_gpu_bench: (no NVIDIA driver|the NVIDIA "
                                                     "driver does not start|CUDA finds no GPU)"));
  }
  for (const std::string program : {"/gpu_test", "/gpu_kernel_test"}) {
    const RunResult result = RunProgram({kBundle + program});
    EXPECT_EQ(result.exit_status, 0);
    EXPECT_THAT(result.out, HasSubstr("[  SKIPPED ]"));
    EXPECT_THAT(result.out, HasSubstr("[  PASSED  ] 0 tests."));
  }
}

TEST(GpuBundleTest, RefusesWrongOptions) {
  EXPECT_EQ(RunProgram({kBundle + "/ecf8_gpu_bench", "--runs", "0"}).exit_status, 2);
  EXPECT_EQ(RunProgram({kBundle + "/run", "--nonsense"}).exit_status, 2);
}

// A bundle as it would be on a machine with a GPU: its tests are those over the fake of CUDA.
class GpuRunTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* part : {"run", "golden"}) Copy(kBundle + "/" + part, part);
    Copy(ECF8_SOURCE_DIR "/tests/golden/model/valid/minilm-slice", "models/smollm2");
    Copy(ECF8_BINARY_DIR "/bin/fake_kernel_test", "gpu_kernel_test");
    Copy(ECF8_BINARY_DIR "/bin/fake_kernel_test", "gpu_test");
    Script("ecf8_gpu_bench",
           "[ \"$1\" = --probe ] && echo A GPU && exit\n"
           "echo \"{\\\"arguments\\\": \\\"$*\\\"}\"\n");
  }

  void Copy(const std::string& from, const std::string& to) const {
    std::filesystem::create_directories(std::filesystem::path(dir_ / to).parent_path());
    std::filesystem::copy(from, dir_ / to, std::filesystem::copy_options::recursive);
  }
  void Script(const std::string& name, const std::string& text) const {
    std::ofstream(dir_ / name) << "#!/bin/sh\n" << text;
    std::filesystem::permissions(dir_ / name, std::filesystem::perms::owner_all);
  }

  const TempDir dir_;
};

TEST_F(GpuRunTest, PutsEverythingIntoOneDocument) {
  const RunResult result =
      RunProgram({dir_ / "run", "--scratch", dir_.path(), "--", "--runs", "3"});
  EXPECT_EQ(result.exit_status, 0) << result.err;
  const Json report = Json::parse(result.out, nullptr, false);
  EXPECT_EQ(report["ok"], true);
  EXPECT_EQ(report["gpu"], "A GPU");
  EXPECT_EQ(report["tests"]["gpu_kernel_test"]["tests"], 4);
  EXPECT_EQ(report["tests"]["gpu_kernel_test"]["completed"], 4);
  EXPECT_THAT(std::string(report["bench"]["arguments"]), HasSubstr("--runs 3"));
  EXPECT_FALSE(Json::parse(RunProgram({dir_ / "run", "--tests-only"}).out).contains("bench"));
}

TEST_F(GpuRunTest, WhatIsNotRightIsInItAndInTheExitStatus) {
  std::filesystem::remove(dir_ / "golden/e4m3-mixed.chunk");
  Script("gpu_test", "kill -9 $$\n");
  Script("ecf8_gpu_bench", "[ \"$1\" = --probe ] || exit 1\n");
  const RunResult result = RunProgram({dir_ / "run"});
  EXPECT_EQ(result.exit_status, 1);
  const Json report = Json::parse(result.out, nullptr, false);
  EXPECT_EQ(report["ok"], false);
  EXPECT_THAT(std::string(report["tests"]["gpu_kernel_test"]["failures"][0]),
              HasSubstr("DecodesGoldenChunks"));
  EXPECT_EQ(report["tests"]["gpu_test"]["failures"][0], "gpu_test ended with -9");
  EXPECT_EQ(report["bench"]["exit_status"], 1);
}

}  // namespace
}  // namespace ecf8
