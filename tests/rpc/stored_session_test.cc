// Sessions whose slots hold the stored form: just what a fetch of it gives, in place.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "loader/model/shard.h"
#include "rpc/unit_check.h"
#include "tests/rpc/session_fixture.h"
#include "tests/support/oracle.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::kLayerSlot;
using ::ecf8::testing::Request;
using ::ecf8::testing::SessionTest;
using ::ecf8::testing::StatusIs;
using ::ecf8::testing::Within20s;
using ::testing::HasSubstr;

// Of a layer, stored: decoded it takes twice as much.
constexpr uint64_t kStoredLayerSlot = kSlotPageBytes;

// The stored units as a fetch brings them, by unit id; gaps between tensors, if any, as zeros.
class StoredUnits final : public FetchSink {
 public:
  absl::Status UnitBegin(const v1::Unit& unit) override {
    bytes_ = &units[unit.id()];
    bytes_->assign(unit.stored_size_bytes(), '\0');
    return absl::OkStatus();
  }
  absl::Status UnitData(uint64_t offset_bytes, std::string_view data) override {
    bytes_->replace(offset_bytes, data.size(), data);
    return absl::OkStatus();
  }
  absl::Status UnitEnd() override { return absl::OkStatus(); }

  std::map<std::string, std::string> units;

 private:
  std::string* bytes_ = nullptr;
};

std::vector<uint8_t> Bytes(absl::Span<const uint8_t> span) { return {span.begin(), span.end()}; }

// The tables of the unit's set for `codec`, as the oracle reads them from the unit itself.
std::vector<oracle::Table> TablesOf(const v1::Unit& unit, absl::Span<const uint8_t> stored,
                                    v1::Codec codec) {
  for (const v1::TableSet& set : unit.table_sets()) {
    v1::Unit alone;
    *alone.add_table_sets() = set;
    const uint64_t size_bytes = TablesSizeBytes(alone);
    if (set.codec() == codec) {
      const auto tables = oracle::ParseTables(static_cast<oracle::Format>(codec),
                                              Bytes(stored.subspan(0, size_bytes)));
      EXPECT_TRUE(tables.has_value());
      return tables.value_or(std::vector<oracle::Table>());
    }
    stored.remove_prefix(size_bytes);
  }
  return {};
}

class StoredSessionTest : public SessionTest {
 protected:
  std::unique_ptr<SessionClient> OpenStored(SessionClientOptions options = {.model = {}}) const {
    options.form = v1::FORM_STORED;
    return Open(options);
  }

  // The bytes of every unit of the set are those that a fetch brings, and hold the checkpoint's
  // weights.
  void ExpectStored(const SessionClient& session, const LeasedSet& set,
                    const std::vector<uint32_t>& units) {
    ASSERT_EQ(set.size(), units.size());
    if (fetched_.units.empty()) {
      ASSERT_THAT(client_->Fetch(Request(v1::FORM_STORED), false, fetched_), IsOk());
    }
    for (size_t i = 0; i < units.size(); ++i) {
      const v1::Unit& unit = session.units()[units[i]];
      const absl::Span<const uint8_t> bytes = set.unit(i);
      const std::string& fetched = fetched_.units.at(unit.id());
      ASSERT_EQ(bytes.size(), fetched.size());
      EXPECT_TRUE(std::equal(bytes.begin(),
                             bytes.begin() + static_cast<int64_t>(TablesSizeBytes(unit)),
                             reinterpret_cast<const uint8_t*>(fetched.data())))
          << unit.id();
      for (int t = 0; t < unit.tensors_size(); ++t) {
        const v1::Tensor& tensor = unit.tensors(t);
        const absl::Span<const uint8_t> stored = set.tensor(i, t);
        ASSERT_EQ(stored.size(), tensor.stored_size_bytes());
        EXPECT_TRUE(std::equal(
            stored.begin(), stored.end(),
            reinterpret_cast<const uint8_t*>(fetched.data()) + tensor.stored_offset_bytes()))
            << tensor.name();
      }
    }
  }
  // Slow.
  void ExpectDecodes(const SessionClient& session, const LeasedSet& set, uint32_t unit_index) {
    const v1::Unit& unit = session.units()[unit_index];
    for (int t = 0; t < unit.tensors_size(); ++t) {
      const v1::Tensor& tensor = unit.tensors(t);
      const auto tables = TablesOf(unit, set.unit(0), tensor.codec());
      absl::Span<const uint8_t> chunks = set.tensor(0, t);
      std::string weights;
      for (const uint32_t size_bytes : tensor.chunk_stored_size_bytes()) {
        const uint64_t count =
            std::min<uint64_t>(kChunkWeights, tensor.size_bytes() - weights.size());
        const auto decoded =
            oracle::DecodeChunk(static_cast<oracle::Format>(tensor.codec()), tables,
                                Bytes(chunks.subspan(0, size_bytes)), count);
        ASSERT_TRUE(decoded.has_value()) << tensor.name();
        weights.append(decoded->begin(), decoded->end());
        chunks.remove_prefix(size_bytes);
      }
      EXPECT_TRUE(chunks.empty());
      EXPECT_TRUE(weights == server_->tensors().at(tensor.name())) << tensor.name();
    }
  }

  StoredUnits fetched_;
};

TEST_F(StoredSessionTest, GivesWhatAFetchGives) {
  Start();
  const auto session = OpenStored({.model = {}, .walk = Layers(8), .depth = 2});
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(session->form(), v1::FORM_STORED);
  EXPECT_EQ(session->slot_bytes(), 4 * kStoredLayerSlot) << "by its stored size";
  for (uint32_t unit = 0; unit < server_->model().unit_count(); ++unit) {
    auto set = session->Acquire({unit});
    ASSERT_THAT(set, IsOk());
    ExpectStored(*session, *set, {unit});
    if (unit == Layer(0)) ExpectDecodes(*session, *set, unit);
    ASSERT_THAT(set->Release(), IsOk());
  }
  EXPECT_EQ(server_->engine().stats().decoded_bytes, 0u);
}

// Two pages for three units: they push each other out, in the order of the walk, again and again.
TEST_F(StoredSessionTest, WalksWithinItsGrant) {
  host_bytes_ = 8 << 20;
  Start(4 * kSlotPageBytes);
  const std::vector<uint32_t> walk = Layers(8);
  const auto session = OpenStored(
      {.model = {}, .walk = walk, .cyclic = true, .depth = 1, .slot_bytes = 2 * kStoredLayerSlot});
  ASSERT_NE(session, nullptr);
  for (int pass = 0; pass < 5; ++pass) {
    for (const uint32_t unit : walk) {
      auto set = session->Acquire({unit});
      ASSERT_THAT(set, IsOk());
      ExpectStored(*session, *set, {unit});
      ASSERT_THAT(set->Release(), IsOk());
    }
  }
  EXPECT_THAT(session->Acquire({Layer(0), Layer(1), Layer(2)}),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("granted")));
  EXPECT_GT(server_->engine().stats().slots.evictions, 0u);
}

// Read once, in the slots twice.
TEST_F(StoredSessionTest, TwoSessionsHaveAUnitInBothForms) {
  Start();
  const auto stored = OpenStored();
  const auto decoded = Open();
  ASSERT_NE(stored, nullptr);
  ASSERT_NE(decoded, nullptr);
  const auto first = stored->StartAcquire({Layer(2)});
  const auto second = decoded->StartAcquire({Layer(2)});
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk());
  auto stored_set = stored->Wait(*first);
  auto decoded_set = decoded->Wait(*second);
  ASSERT_THAT(stored_set, IsOk());
  ASSERT_THAT(decoded_set, IsOk());
  EXPECT_EQ(server_->engine().stats().read_bytes,
            server_->model().unit(Layer(2)).stored_size_bytes);
  ExpectStored(*stored, *stored_set, {Layer(2)});
  ExpectRight(*decoded, *decoded_set, {Layer(2)});
  EXPECT_TRUE(Within20s([&] { return server_->engine().stats().slots.units == 2; }));
}

// In memory for three decoded layers: each walk needs the other's room.
TEST_F(StoredSessionTest, TheFormsGiveWayToEachOther) {
  Start(3 * kLayerSlot);
  const std::vector<uint32_t> walk = Layers(8);
  const auto run = [&](v1::Form form) {
    const auto client = server_->Connect();
    auto session = SessionClient::Open(*client, server_->address(),
                                       {.model = "small",
                                        .walk = walk,
                                        .cyclic = true,
                                        .depth = 1,
                                        .slot_bytes = kLayerSlot,
                                        .form = form});
    ASSERT_THAT(session, IsOk());
    for (int pass = 0; pass < 5; ++pass) {
      for (const uint32_t unit : walk) {
        auto set = (*session)->Acquire({unit});
        ASSERT_THAT(set, IsOk());
        if (form == v1::FORM_STORED) {
          ExpectStored(**session, *set, {unit});
        } else {
          ExpectRight(**session, *set, {unit});
        }
        ASSERT_THAT(set->Release(), IsOk());
      }
    }
  };
  std::thread other(run, v1::FORM_DECODED);
  run(v1::FORM_STORED);
  other.join();
  EXPECT_GT(server_->engine().stats().slots.evictions, 0u);
  EXPECT_TRUE(EverythingIsGivenBack());
}

TEST_F(StoredSessionTest, ADamagedChunkIsNeverReady) {
  Start();
  const Unit& unit = server_->model().unit(Layer(5));
  const std::string shard =
      server_->directory() / "small/" + server_->model().shard_of(Layer(5)).file_name;
  std::string bytes = testing::ReadFile(shard);
  bytes[unit.offset_bytes + unit.stored_size_bytes / 2] ^= 1;
  testing::WriteFile(shard, bytes);
  const auto session =
      OpenStored({.model = {}, .walk = Layers(8), .depth = 2, .slot_bytes = 32 << 20});
  ASSERT_NE(session, nullptr);
  EXPECT_THAT(session->Acquire({Layer(4), Layer(5)}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("layers.5")));
  auto good = session->Acquire({Layer(4), Layer(6)});
  ASSERT_THAT(good, IsOk());
  EXPECT_THAT(good->Release(), IsOk());
}

TEST_F(StoredSessionTest, TheDigestIsTheModels) {
  Start();
  std::string digest = server_->model().digest();
  EXPECT_THAT(TryOpen({.model = {}, .digest = digest, .form = v1::FORM_STORED}), IsOk());
  digest.back() ^= 1;
  EXPECT_THAT(TryOpen({.model = {}, .digest = digest, .form = v1::FORM_STORED}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("digest")));
  EXPECT_TRUE(EverythingIsGivenBack());
}

TEST_F(StoredSessionTest, AFormThatTheDaemonDoesNotKnow) {
  Start();
  EXPECT_THAT(TryOpen({.model = {}, .form = static_cast<v1::Form>(99)}),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("no form 99")));
  EXPECT_TRUE(EverythingIsGivenBack());
}

// It leaves out what it does not know.
TEST(CheckOpened, AnOlderDaemonIsNoticed) {
  v1::SessionOpened opened;
  EXPECT_THAT(CheckOpened({.model = {}}, opened), IsOk());
  EXPECT_THAT(CheckOpened({.model = {}, .form = v1::FORM_STORED}, opened),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("decoded units alone")));
  EXPECT_THAT(CheckOpened({.model = {}, .resident = true}, opened),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("resident")));
  opened.set_form(v1::FORM_STORED);
  opened.set_resident(true);
  EXPECT_THAT(CheckOpened({.model = {}, .resident = true, .form = v1::FORM_STORED}, opened),
              IsOk());
}

}  // namespace
}  // namespace ecf8
