// Client: every byte by every way, what it says when it cannot, and a daemon that comes and goes.

#include "ecf8/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "tests/rpc/public/library_fixture.h"
#include "tests/support/wait.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::LibraryTest;
using ::ecf8::testing::ReadFile;
using ::ecf8::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr char kProjection[] = "model.layers.1.self_attn.q_proj.weight";

class ClientTest : public LibraryTest {
 protected:
  // Its bytes in the shard.
  std::string StoredUnit(const std::string& id) const {
    const uint32_t index = *model_->FindUnit(id);
    return ReadFile(*models_ / ("small/" + model_->shard_of(index).file_name))
        .substr(model_->unit(index).offset_bytes, model_->unit(index).stored_size_bytes);
  }
};

TEST_F(ClientTest, TellsModelsAndWhatIsInThem) {
  Start();
  const Client client = Connect();
  const auto models = client.Models();
  ASSERT_THAT(models, IsOk());
  ASSERT_EQ(models->size(), 1u);
  EXPECT_EQ(models->front().name, "small");
  EXPECT_EQ(models->front().digest, model_->digest());
  EXPECT_EQ(models->front().tensor_count, tensors_->size());

  const auto model = client.Describe("small");
  ASSERT_THAT(model, IsOk());
  EXPECT_EQ(model->model.digest, model_->digest());
  ASSERT_EQ(model->units.size(), 6u);
  const UnitInfo* const layer = model->FindUnit("layers.1");
  ASSERT_NE(layer, nullptr);
  EXPECT_EQ(model->units[layer->index].id, "layers.1");
  EXPECT_EQ(model->FindUnit("layers.9"), nullptr);
  const TensorInfo* const tensor = layer->FindTensor(kProjection);
  ASSERT_NE(tensor, nullptr);
  EXPECT_EQ(tensor->dtype, "F8_E4M3");
  EXPECT_THAT(tensor->shape, ElementsAre(1100, 1024));
  EXPECT_EQ(tensor->size_bytes, Tensor(kProjection).size());
  EXPECT_EQ(tensor->stored_as, StoredAs::kE4M3);
  EXPECT_LT(tensor->stored_size_bytes, tensor->size_bytes);
  EXPECT_EQ(layer->FindTensor("other"), nullptr);
}

TEST_F(ClientTest, FetchesUnitsAndTensorsToBuffers) {
  Start();
  const Client client = Connect();
  const auto layer = client.FetchUnit("small", "layers.1");
  ASSERT_THAT(layer, IsOk());
  EXPECT_EQ(layer->unit.id, "layers.1");
  EXPECT_EQ(layer->buffer.bytes().size(), layer->unit.decoded_size_bytes);
  EXPECT_EQ(layer->unit.tensors.size(), 4u);
  uint64_t end = 0;
  for (const TensorInfo& tensor : layer->unit.tensors) {
    EXPECT_EQ(Text(layer->tensor(tensor.name)), Tensor(tensor.name)) << tensor.name;
    for (; end < tensor.decoded_offset_bytes; ++end) EXPECT_EQ(layer->buffer.bytes()[end], 0);
    end += tensor.size_bytes;
  }
  EXPECT_EQ(layer->tensor("lm_head.weight").data(), nullptr);

  const auto stored = client.FetchUnit("small", "layers.1", Form::kStored);
  ASSERT_THAT(stored, IsOk());
  EXPECT_EQ(Text(stored->buffer.bytes()), StoredUnit("layers.1"));
  EXPECT_EQ(stored->unit.table_sets.size(), 1u);
  EXPECT_EQ(stored->unit.FindTensor(kProjection)->chunk_stored_size_bytes.size(), 2u);

  for (const auto& [name, bytes] : *tensors_) {
    const auto tensor = client.FetchTensor("small", name);
    ASSERT_THAT(tensor, IsOk());
    EXPECT_EQ(Text(tensor->buffer.bytes()), bytes) << name;
  }
  EXPECT_THAT(client.FetchTensor("small", kProjection)->shape, ElementsAre(1100, 1024));
}

TEST_F(ClientTest, FetchesIntoMemoryOfTheCallers) {
  Start();
  const Client client = Connect();
  const auto model = client.Describe("small");
  ASSERT_THAT(model, IsOk());
  const UnitInfo& layer = *model->FindUnit("layers.2");
  for (const bool decode_here : {false, true}) {
    const FetchRequest request{.model = "small",
                               .digest = model->model.digest,
                               .units = {"layers.2", "embed"},
                               .tensors = {"lm_head.weight", kProjection},
                               .decode_here = decode_here};
    std::vector<uint8_t> unit(layer.decoded_size_bytes, 0xAA);
    std::vector<uint8_t> embed(model->FindUnit("embed")->decoded_size_bytes);
    std::vector<uint8_t> head(Tensor("lm_head.weight").size());
    std::vector<uint8_t> projection(Tensor(kProjection).size());
    std::vector<absl::Span<uint8_t>> targets = {absl::MakeSpan(unit), absl::MakeSpan(embed),
                                                absl::MakeSpan(head), absl::MakeSpan(projection)};
    ASSERT_THAT(client.FetchInto(request, targets), IsOk());
    const auto whole = client.FetchUnit("small", "layers.2");
    EXPECT_EQ(Text(unit), Text(whole->buffer.bytes()));
    EXPECT_EQ(Text(embed), Tensor("model.embed_tokens.weight"));
    EXPECT_EQ(Text(head), Tensor("lm_head.weight"));
    EXPECT_EQ(Text(projection), Tensor(kProjection));

    targets[3] = targets[3].subspan(1);
    EXPECT_THAT(client.FetchInto(request, targets),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr(std::string(kProjection) + "\" has " +
                                   std::to_string(projection.size()) + " bytes, and its span " +
                                   std::to_string(projection.size() - 1))));
    targets.pop_back();
    EXPECT_THAT(client.FetchInto(request, targets),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("3 spans")));
  }
  std::vector<uint8_t> stored(layer.stored_size_bytes);
  std::vector<absl::Span<uint8_t>> target = {absl::MakeSpan(stored)};
  for (const bool check : {false, true}) {
    ASSERT_THAT(
        client.FetchInto(
            {.model = "small", .units = {"layers.2"}, .form = Form::kStored, .decode_here = check},
            target),
        IsOk());
    EXPECT_EQ(Text(stored), StoredUnit("layers.2"));
  }
  EXPECT_THAT(client.FetchInto({.model = "small"}, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("name the units")));
  EXPECT_THAT(
      client.FetchInto({.model = "small", .tensors = {kProjection}, .form = Form::kStored}, target),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("decoded")));
}

TEST_F(ClientTest, FetchesTheWholeModelToCallbacks) {
  Start();
  const Client client = Connect();
  for (const bool decode_here : {false, true}) {
    testing::TensorBytes fetched;
    std::vector<std::string> begun;
    std::vector<std::string> ended;
    const FetchCallbacks callbacks{
        .on_begin =
            [&](const UnitInfo& unit) {
              begun.push_back(unit.id);
              for (const TensorInfo& tensor : unit.tensors) fetched[tensor.name];
              return absl::OkStatus();
            },
        .on_bytes =
            [&](const UnitInfo& unit, uint64_t offset_bytes, absl::Span<const uint8_t> bytes) {
              for (const TensorInfo& tensor : unit.tensors) {
                std::string& so_far = fetched[tensor.name];
                if (offset_bytes == tensor.decoded_offset_bytes + so_far.size() &&
                    so_far.size() < tensor.size_bytes) {
                  so_far += Text(bytes);
                }
              }
              return absl::OkStatus();
            },
        .on_end =
            [&](const UnitInfo& unit) {
              ended.push_back(unit.id);
              return absl::OkStatus();
            }};
    ASSERT_THAT(client.Fetch({.model = "small", .decode_here = decode_here}, callbacks), IsOk());
    EXPECT_EQ(fetched, *tensors_);
    EXPECT_THAT(begun,
                ElementsAre("embed", "layers.0", "layers.1", "layers.2", "layers.3", "head"));
    EXPECT_EQ(ended, begun);
  }
  EXPECT_THAT(client.Fetch({.model = "small"}, {}), IsOk());
  int calls = 0;
  EXPECT_THAT(client.Fetch({.model = "small"},
                           {.on_bytes =
                                [&](const UnitInfo&, uint64_t, absl::Span<const uint8_t>) {
                                  ++calls;
                                  return absl::UnavailableError("no more, please");
                                }}),
              StatusIs(absl::StatusCode::kUnavailable, "no more, please"));
  EXPECT_EQ(calls, 1);
}

TEST_F(ClientTest, SaysWhatIsWrongInATypedWay) {
  Start();
  const Client client = Connect();
  const auto none = client.FetchUnit("none", "layers.0");
  EXPECT_THAT(none, StatusIs(absl::StatusCode::kNotFound, HasSubstr("\"none\"")));
  auto detail = GetErrorDetail(none.status());
  ASSERT_TRUE(detail.has_value());
  EXPECT_EQ(detail->reason, ErrorDetail::Reason::kModelNotFound);
  EXPECT_EQ(detail->model, "none");
  detail = GetErrorDetail(client.FetchTensor("small", "wrong").status());
  ASSERT_TRUE(detail.has_value());
  EXPECT_EQ(detail->reason, ErrorDetail::Reason::kTensorNotFound);
  EXPECT_EQ(detail->tensor, "wrong");
  EXPECT_THAT(client.Fetch({.model = "small", .digest = "0123456789abcdef"}, {}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("other weights")));
  faults_.Fail(model_->shard_of(0).file_name);
  const auto damaged = client.FetchUnit("small", "layers.3");
  EXPECT_EQ(damaged.status().code(), absl::StatusCode::kDataLoss);
  detail = GetErrorDetail(damaged.status());
  ASSERT_TRUE(detail.has_value());
  EXPECT_EQ(detail->reason, ErrorDetail::Reason::kReadFailed);
  EXPECT_EQ(detail->unit, "layers.3");
  EXPECT_EQ(detail->shard, model_->shard_of(0).file_name);
  EXPECT_FALSE(GetErrorDetail(absl::OkStatus()).has_value());
  EXPECT_FALSE(GetErrorDetail(absl::UnavailableError("")).has_value());

  EXPECT_THAT(Client::Connect("nonsense"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("unix:PATH, HOST:PORT or tls:HOST:PORT")));
  EXPECT_THAT(Client::Connect("unix:" + (directory_ / "none")),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("no daemon answers")));
}

TEST_F(ClientTest, FindsTheDaemonOfTheEnvironment) {
  Start();
  setenv("ECF8_DAEMON", ("unix:" + socket_).c_str(), 1);
  const auto client = Client::Connect();
  unsetenv("ECF8_DAEMON");
  ASSERT_THAT(client, IsOk());
  EXPECT_THAT(client->Models(), IsOk());
}

TEST_F(ClientTest, DeadlinesAndCancellationsEndCalls) {
  Start();
  const Client client = Connect();
  faults_.Hold();
  const Clock::time_point begin = Clock::now();
  EXPECT_EQ(client.FetchUnit("small", "layers.0", Form::kDecoded, {.timeout = milliseconds(50)})
                .status()
                .code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_GE(Clock::now() - begin, milliseconds(50));
  const Cancellation cancellation;
  std::thread canceller([&] {
    std::this_thread::sleep_for(milliseconds(30));
    cancellation.Cancel();
  });
  EXPECT_EQ(
      client.FetchTensor("small", kProjection, {.cancellation = &cancellation}).status().code(),
      absl::StatusCode::kCancelled);
  canceller.join();
  EXPECT_TRUE(cancellation.cancelled());
  EXPECT_EQ(client.Models({.cancellation = &cancellation}).status().code(),
            absl::StatusCode::kCancelled);
  faults_.LetGo();
  EXPECT_THAT(client.FetchUnit("small", "layers.0"), IsOk());
}

TEST_F(ClientTest, DoesNotSeeARestart) {
  Start();
  const Client client = Connect({.retry_for = milliseconds(20'000)});
  ASSERT_THAT(client.Models(), IsOk());
  Stop();
  Start();
  EXPECT_THAT(client.Models(), IsOk());
  Stop();
  Start();
  EXPECT_THAT(client.FetchUnit("small", "layers.0"), IsOk());
  Stop();
  std::thread starter([&] {
    std::this_thread::sleep_for(milliseconds(100));
    Start();
  });
  EXPECT_THAT(client.FetchTensor("small", kProjection), IsOk());
  starter.join();
}

// What had begun to come comes again, from its start.
TEST_F(ClientTest, ARestartInTheMiddleOfAFetchIsNotSeenEither) {
  Start();
  const Client client = Connect({.retry_for = milliseconds(20'000)});
  faults_.Hold();
  std::thread fetch([&] {
    const auto unit = client.FetchUnit("small", "layers.2");
    ASSERT_THAT(unit, IsOk());
    EXPECT_EQ(Text(unit->tensor("model.layers.2.self_attn.q_proj.weight")),
              Tensor("model.layers.2.self_attn.q_proj.weight"));
  });
  EXPECT_TRUE(testing::Within20s([&] { return server_->stream_count() == 1; }));
  std::thread release([&] {
    std::this_thread::sleep_for(milliseconds(20));
    faults_.LetGo();
  });
  Stop();
  release.join();
  Start();
  fetch.join();
}

TEST_F(ClientTest, SaysSoWhereTheDaemonStaysAway) {
  Start();
  const Client client = Connect({.retry_for = milliseconds(100)});
  const Client impatient = Connect({.retry_for = milliseconds(0)});
  Stop();
  const Clock::time_point begin = Clock::now();
  EXPECT_EQ(client.Models().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_LT(Clock::now() - begin, milliseconds(5000));
  EXPECT_EQ(impatient.Models().status().code(), absl::StatusCode::kUnavailable);
  Start();
  EXPECT_TRUE(testing::Within20s([&] { return client.Models().ok(); }));
}

TEST_F(ClientTest, ManyThreadsMayUseIt) {
  Start();
  const Client client = Connect();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 5; ++round) {
        const std::string name =
            "model.layers." + std::to_string((i + round) % 4) + ".self_attn.q_proj.weight";
        const auto tensor = client.FetchTensor("small", name);
        ASSERT_THAT(tensor, IsOk());
        EXPECT_EQ(Text(tensor->buffer.bytes()), Tensor(name));
        EXPECT_THAT(client.Models(), IsOk());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace ecf8
