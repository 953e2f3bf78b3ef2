// A flipped bit anywhere in a compressed directory: a fetch reports it or returns right bytes.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rpc/server.h"
#include "tests/rpc/test_server.h"
#include "tests/support/sanitizer.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_model.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::CollectingSink;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::Request;
using ::ecf8::testing::TempDir;
using ::ecf8::testing::TensorBytes;

// AddressSanitizer looks for other bugs, and is slow.
constexpr size_t kFlips = testing::kAddressSanitizer ? 100 : 500;

struct Flip {
  std::string file;
  uint64_t bit = 0;
};

class DamagedModelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    tensors_ =
        testing::MakeCompressedModel(dir_.path(), "small", {.layers = 1, .projection_rows = 7});
    files_ = testing::ReadTree(directory_);
  }

  // As many in every file, whatever its size.
  std::vector<Flip> ChooseFlips() const {
    std::mt19937 random(1);
    std::vector<Flip> flips;
    while (flips.size() < kFlips) {
      for (const auto& [file, bytes] : files_)
        flips.push_back({file, random() % (bytes.size() * 8)});
    }
    return flips;
  }

  void Damage(const Flip& flip) const {
    std::string bytes = files_.at(flip.file);
    bytes[flip.bit / 8] = static_cast<char>(bytes[flip.bit / 8] ^ 1 << flip.bit % 8);
    testing::WriteFile(directory_ + "/" + flip.file, bytes);
  }
  void Repair(const Flip& flip) const {
    testing::WriteFile(directory_ + "/" + flip.file, files_.at(flip.file));
  }

  // Room for two compressed units and one decoded of the model's three: they are read again and
  // again.
  static EngineOptions TinyEngine() {
    EngineOptions options = testing::SmallEngine();
    options.host_budget_bytes = 5 << 20;
    options.slot_budget_bytes = 2 << 20;
    return options;
  }

  // Null where the daemon would not start on the model, which is a report, too.
  std::unique_ptr<Server> Serve() const {
    auto model = CompressedModel::Open(directory_);
    if (!model.ok()) return nullptr;
    auto server = Server::Start(
        {*std::move(model)},
        {.address = Socket(), .threads = 1, .max_streams = 4, .engine = TinyEngine()});
    EXPECT_THAT(server, IsOk());
    return server.ok() ? *std::move(server) : nullptr;
  }

  Address Socket() const { return {.socket_path = dir_ / "s.sock"}; }

  // Whether a fetch of the whole model succeeded; its bytes are then checked.
  bool FetchedWell(v1::Form form) const {
    const auto client = WeightClient::Connect(Socket(), std::chrono::seconds(20));
    EXPECT_THAT(client, IsOk());
    if (!client.ok()) return false;
    CollectingSink sink;
    if (!(*client)->Fetch(Request(form), /*verify=*/true, sink).ok()) return false;
    if (form == v1::FORM_DECODED) {
      EXPECT_EQ(sink.tensors, tensors_);
    }
    return true;
  }

  TempDir dir_;
  const std::string directory_ = dir_ / "small";
  TensorBytes tensors_;
  std::map<std::string, std::string> files_;
};

TEST_F(DamagedModelTest, ADaemonThatStartsOnItReportsOrServesRightBytes) {
  ASSERT_GE(files_.size(), 2u);
  std::map<std::string, size_t> reported;
  for (const Flip& flip : ChooseFlips()) {
    Damage(flip);
    SCOPED_TRACE(flip.file + ", bit " + std::to_string(flip.bit));
    const std::unique_ptr<Server> server = Serve();
    if (server == nullptr || !FetchedWell(v1::FORM_DECODED)) ++reported[flip.file];
    Repair(flip);
  }
  // Right bytes are no news of damage: but most of a shard is weights, and damage to them is told.
  EXPECT_GT(reported["model.safetensors"], kFlips / files_.size() / 2);
}

TEST_F(DamagedModelTest, ARunningDaemonReportsOrServesRightBytes) {
  const std::unique_ptr<Server> server = Serve();
  ASSERT_NE(server, nullptr);
  size_t reported = 0;
  for (const Flip& flip : ChooseFlips()) {
    Damage(flip);
    SCOPED_TRACE(flip.file + ", bit " + std::to_string(flip.bit));
    if (!FetchedWell(v1::FORM_STORED)) ++reported;
    if (!FetchedWell(v1::FORM_DECODED)) ++reported;
    Repair(flip);
  }
  // What is in memory is right, and goes on being served.
  EXPECT_GT(reported, 0u);
  EXPECT_TRUE(FetchedWell(v1::FORM_DECODED)) << "the damage is gone";
}

}  // namespace
}  // namespace ecf8
