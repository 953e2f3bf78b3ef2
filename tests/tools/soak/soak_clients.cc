#include "tests/tools/soak/soak_clients.h"

#include <chrono>
#include <memory>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "rpc/client.h"
#include "rpc/session_client.h"
#include "tests/rpc/comparing_sink.h"
#include "tests/rpc/comparing_walk.h"

namespace ecf8::testing {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kConnectTimeout(60);
constexpr std::chrono::milliseconds kPause(20);  // after an error, or a control call
constexpr int kWalksOfASession = 3;

std::unique_ptr<WeightClient> ConnectTo(SoakWorld& world, const std::stop_token& stop) {
  auto client = WeightClient::Connect(world.address, kConnectTimeout, stop);
  if (client.ok()) return *std::move(client);
  if (!stop.stop_requested()) {
    world.tally.Unexplained(absl::StrCat("connect: ", client.status().ToString()));
  }
  return nullptr;
}

// Counts how a call has ended; false where it brought nothing. `at_edge`: of what the budgets may
// have no room for.
bool Note(SoakWorld& world, const std::string& what, const std::string& model, bool at_edge,
          Clock::time_point begin, const absl::Status& status, const std::stop_token& stop) {
  if (status.ok()) {
    world.tally.Done();
    return true;
  }
  if (stop.stop_requested()) return false;
  const bool no_room = at_edge && absl::IsResourceExhausted(status);
  if (no_room || world.faults.Explain(status.code(), model, begin)) {
    world.tally.Explained(status.code());
  } else {
    world.tally.Unexplained(absl::StrCat(what, " of ", model, ": ", status.ToString()));
  }
  std::this_thread::sleep_for(kPause);
  return false;
}

// One pass over the model, a unit or two at a time.
absl::Status WalkOnce(SoakWorld& world, SessionClient& session, const std::string& model,
                      std::mt19937& random, const std::stop_token& stop) {
  const auto count = static_cast<uint32_t>(session.units().size());
  for (uint32_t unit = 0; unit < count && !stop.stop_requested();) {
    std::vector<uint32_t> wanted = {unit++};
    if (unit < count && random() % 2 == 0) wanted.push_back(unit++);
    if (random() % 4 == 0) {
      ECF8_RETURN_IF_ERROR(session.Hint({static_cast<uint32_t>(random() % count)}));
    }
    ECF8_ASSIGN_OR_RETURN(LeasedSet set, session.Acquire(wanted, {.stop = stop}));
    uint64_t bytes = 0;
    ECF8_RETURN_IF_ERROR(CompareSet(session, set, world.tensors.at(model), &bytes));
    ECF8_RETURN_IF_ERROR(set.Release());
    world.tally.Verified(bytes);
  }
  return absl::OkStatus();
}

}  // namespace

void FetchAgainAndAgain(SoakWorld& world, const std::string& model, v1::Form form, int number,
                        const std::stop_token& stop) {
  const std::unique_ptr<WeightClient> client = ConnectTo(world, stop);
  Turns turns(world.pace, number);
  while (client != nullptr && turns.Next(stop)) {
    v1::FetchRequest request;
    request.set_model(model);
    request.set_form(form);
    ComparingSink sink(world.tensors.at(model));
    const Clock::time_point begin = Clock::now();
    const absl::Status status = client->Fetch(request, form == v1::FORM_STORED, sink);
    world.tally.Verified(sink.compared_bytes());
    Note(world, "a fetch", model, false, begin, status, stop);
  }
}

void WalkAgainAndAgain(SoakWorld& world, const std::string& model, int number,
                       const std::stop_token& stop) {
  std::mt19937 random(static_cast<uint32_t>(number));
  const std::unique_ptr<WeightClient> client = ConnectTo(world, stop);
  std::unique_ptr<SessionClient> session;
  int walks = 0;  // of the session
  Turns turns(world.pace, number);
  while (client != nullptr && turns.Next(stop)) {
    const Clock::time_point begin = Clock::now();
    if (session == nullptr) {
      SessionClientOptions options{.model = model, .cyclic = true, .depth = 1};
      options.slot_bytes = 3 * world.max_slot_bytes.at(model);
      auto opened = SessionClient::Open(*client, world.address, options, {.stop = stop});
      if (!opened.ok()) {
        Note(world, "a session", model, true, begin, opened.status(), stop);
        continue;
      }
      session = *std::move(opened);
      walks = 0;
    }
    const absl::Status status = WalkOnce(world, *session, model, random, stop);
    const bool is_done = Note(world, "a walk", model, true, begin, status, stop);
    if (!is_done || ++walks == kWalksOfASession) session.reset();
  }
}

void ControlAgainAndAgain(SoakWorld& world, const std::string& model, int number,
                          const std::stop_token& stop) {
  std::mt19937 random(static_cast<uint32_t>(number));
  const std::unique_ptr<WeightClient> client = ConnectTo(world, stop);
  Turns turns(world.pace, number);
  while (client != nullptr && turns.Next(stop)) {
    v1::UnitsInTier units;
    units.set_model(model);
    units.set_tier(random() % 2 == 0 ? v1::MEMORY_TIER_HOST : v1::MEMORY_TIER_SLOTS);
    if (random() % 2 == 0) units.add_units("head");
    const Clock::time_point begin = Clock::now();
    const auto note = [&](const std::string& what, const absl::Status& status) {
      Note(world, what, model, true, begin, status, stop);
    };
    switch (random() % 5) {
      case 0: {
        v1::PreloadRequest request;
        *request.mutable_units() = units;
        request.set_pin(random() % 2 == 0);
        note("a preload", client->Preload(request, [](const v1::PreloadProgress&) {}).status());
        break;
      }
      case 1:
        note("a pin", client->Pin(units).status());
        break;
      case 2:
        note("an unpin", client->Unpin(units).status());
        break;
      case 3:
        note("an eviction", client->Evict(units).status());
        break;
      default:
        note("a status", client->GetStatus().status());
    }
    units.set_tier(v1::MEMORY_TIER_UNSPECIFIED);
    units.clear_units();
    note("an unpin", client->Unpin(units).status());
    if (!world.pace.is_set()) std::this_thread::sleep_for(kPause);
  }
}

}  // namespace ecf8::testing
