// The client library as others get it: installed to a prefix, found there, linked, run.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "loader/model/compressed_model.h"
#include "tests/support/small_model.h"
#include "tests/support/subprocess.h"
#include "tests/support/temp_dir.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::ReadFile;
using ::ecf8::testing::RunProgram;
using ::ecf8::testing::RunResult;
using ::ecf8::testing::Subprocess;
using ::ecf8::testing::TempDir;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const std::string kExample = ECF8_SOURCE_DIR "/rpc/example";

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

class InstalledPackageTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    directory_ = new TempDir;
    prefix_ = *directory_ / "prefix";
    Succeed({ECF8_CMAKE, "--install", ECF8_BINARY_DIR, "--prefix", prefix_});
    for (const auto& entry : std::filesystem::recursive_directory_iterator(prefix_)) {
      if (entry.path().filename() == "libecf8client.so") lib_ = entry.path().parent_path();
    }
  }
  static void TearDownTestSuite() { delete directory_; }

  static std::string Succeed(const std::vector<std::string>& command) {
    const RunResult result = RunProgram(command);
    EXPECT_EQ(result.exit_status, 0) << command[0] << "\n" << result.out << result.err;
    return result.out;
  }

  // What the example says of a model with these tensors.
  static std::string Expected(const CompressedModel& model, const testing::TensorBytes& tensors) {
    std::string expected;
    for (uint32_t unit = 0; unit < model.unit_count(); ++unit) {
      for (const Piece& piece : model.unit(unit).pieces) {
        const std::string& bytes = tensors.at(piece.tensor);
        uint64_t sum = 0;
        for (const char byte : bytes) sum += static_cast<unsigned char>(byte);
        expected += piece.tensor + " " + std::string(DTypeName(piece.dtype)) + " " +
                    std::to_string(bytes.size()) + " bytes, sum " + std::to_string(sum) + "\n";
      }
    }
    return expected;
  }

  // Defined outside of sections that the linker may find again elsewhere.
  static void ExpectOnlyOurs(const std::string& symbols, size_t name_column) {
    int count = 0;
    for (const std::string& line : Lines(symbols)) {
      if (line.size() <= name_column || std::string("TDBR").find(line[17]) == std::string::npos) {
        continue;
      }
      ++count;
      const std::string name = line.substr(name_column);
      EXPECT_THAT(name, ::testing::AnyOf(StartsWith("_ZN4ecf8"), StartsWith("_ZNK4ecf8")));
      for (const char* inner : {"4grpc", "6google", "2v1", "5State3", "State4", "3Mux"}) {
        EXPECT_THAT(name, ::testing::Not(HasSubstr(inner)));
      }
    }
    EXPECT_GT(count, 50);
  }

  static TempDir* directory_;
  static std::string prefix_;
  static std::string lib_;
};

TempDir* InstalledPackageTest::directory_ = nullptr;
std::string InstalledPackageTest::prefix_;
std::string InstalledPackageTest::lib_;

TEST_F(InstalledPackageTest, HasTheProgramsAndTheLicence) {
  EXPECT_THAT(Succeed({prefix_ + "/bin/ecf8", "--help"}), HasSubstr("fetch"));
  EXPECT_THAT(Succeed({prefix_ + "/bin/ecf8d", "--help"}), HasSubstr("model-dir"));
  EXPECT_EQ(ReadFile(prefix_ + "/share/doc/ecf8/LICENSE"), ReadFile(ECF8_SOURCE_DIR "/LICENSE"));
}

TEST_F(InstalledPackageTest, ShowsNothingButItsOwn) {
  ExpectOnlyOurs(Succeed({"nm", "-D", "--defined-only", lib_ + "/libecf8client.so"}), 19);
  ExpectOnlyOurs(Succeed({"nm", "-g", "--defined-only", lib_ + "/libecf8client.a"}), 19);
  EXPECT_THAT(Succeed({"objdump", "-p", lib_ + "/libecf8client.so"}),
              HasSubstr("SONAME               libecf8client.so.0\n"));
  int headers = 0;
  for (const auto& entry : std::filesystem::directory_iterator(prefix_ + "/include/ecf8")) {
    ++headers;
    for (const std::string& line : Lines(ReadFile(entry.path()))) {
      if (!line.starts_with("#include")) continue;
      EXPECT_THAT(line, ::testing::AnyOf(StartsWith("#include <"), StartsWith("#include \"absl/"),
                                         StartsWith("#include \"ecf8/")));
      EXPECT_EQ(line.find("pb.h"), std::string::npos) << line;
      EXPECT_EQ(line.find(".h>"), std::string::npos) << line;
    }
  }
  EXPECT_GE(headers, 5);
}

// Its own project finds the package, links it in either kind, and reads a daemon's every byte; so
// does a compiler that asks pkg-config.
TEST_F(InstalledPackageTest, TheExampleReadsAModel) {
  const std::string build = *directory_ / "example";
  Succeed({ECF8_CMAKE, "-S", kExample, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug",
           "-DCMAKE_CXX_COMPILER=" ECF8_CXX, "-DCMAKE_PREFIX_PATH=" + prefix_});
  Succeed({ECF8_CMAKE, "--build", build});
  setenv("PKG_CONFIG_PATH", (lib_ + "/pkgconfig").c_str(), 1);
  std::istringstream flags(Succeed({"pkg-config", "--cflags", "--libs", "ecf8"}));
  std::vector<std::string> compile = {ECF8_CXX,
                                      "-std=c++17",
                                      "-Wall",
                                      "-Wextra",
                                      "-Werror",
                                      "-Wpedantic",
                                      kExample + "/read_model.cc"};
  for (std::string flag; flags >> flag;) compile.push_back(flag);
  compile.insert(compile.end(), {"-Wl,-rpath," + lib_, "-o", build + "/read_model_pkg_config"});
  Succeed(compile);
  EXPECT_EQ(ReadFile(build + "/read_model_static").find("libecf8client.so"), std::string::npos);

  const testing::TensorBytes tensors = testing::MakeCompressedModel(directory_->path(), "small");
  const auto model = testing::OpenModel(*directory_ / "small");
  const std::string address = "unix:" + (*directory_ / "s.sock");
  Subprocess daemon({prefix_ + "/bin/ecf8d", "--model-dir", *directory_ / "small", "--listen",
                     address, "--host-budget", "64MiB", "--slot-budget", "64MiB"});
  ASSERT_TRUE(daemon.Says("listening on")) << daemon.Stderr();
  for (const char* program : {"/read_model", "/read_model_static", "/read_model_pkg_config"}) {
    EXPECT_EQ(Succeed({build + program, address, "small"}), Expected(*model, tensors)) << program;
  }
  const RunResult none = RunProgram({build + "/read_model", address, "other"});
  EXPECT_EQ(none.exit_status, 1);
  EXPECT_THAT(none.err, HasSubstr("no model \"other\""));
}

TEST(Readme, ShowsTheExampleAsItIs) {
  EXPECT_THAT(ReadFile(ECF8_SOURCE_DIR "/README.md"),
              HasSubstr("```cpp\n" + ReadFile(kExample + "/read_model.cc") + "```\n"));
}

}  // namespace
}  // namespace ecf8
