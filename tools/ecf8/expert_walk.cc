#include "tools/ecf8/expert_walk.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "decoder/checksum.h"
#include "decoder/status_macros.h"
#include "loader/base/strings.h"

namespace ecf8 {
namespace {

constexpr std::chrono::seconds kPatience(30);

}  // namespace

absl::Status ExpertWalk::Token(absl::Span<const std::vector<uint32_t>> experts) {
  size_t layer = 0;
  for (size_t s = 0; s < steps_.steps.size(); ++s) {
    const ExpertStep& step = steps_.steps[s];
    ECF8_RETURN_IF_ERROR(AskForDense(step));
    ECF8_RETURN_IF_ERROR(WaitAndUse(dense_));
    if (!step.experts.empty()) {
      for (const uint32_t expert : experts[layer++]) {
        for (const uint32_t unit : step.experts[expert]) {
          ECF8_RETURN_IF_ERROR(Ask(unit, Priority::kDemand, &chosen_));
        }
      }
    }
    // After the last step comes the next token's first.
    for (const uint32_t unit : steps_.steps[(s + 1) % steps_.steps.size()].dense) {
      ECF8_RETURN_IF_ERROR(Ask(unit, Priority::kHinted, &hinted_));
    }
    ECF8_RETURN_IF_ERROR(WaitAndUse(chosen_));
    GiveBack(&chosen_);
    GiveBack(&dense_);
  }
  return absl::OkStatus();
}

absl::Status ExpertWalk::AskForDense(const ExpertStep& step) {
  dense_ = std::exchange(hinted_, {});
  for (const UnitLease& lease : dense_) {
    lease.Raise(Priority::kDemand);
    events_.push_back({UseEvent::Kind::kRaise, lease->request().unit_index});
  }
  if (!dense_.empty()) return absl::OkStatus();
  for (const uint32_t unit : step.dense) {  // the very first step
    ECF8_RETURN_IF_ERROR(Ask(unit, Priority::kDemand, &dense_));
  }
  return absl::OkStatus();
}

absl::Status ExpertWalk::Ask(uint32_t unit, Priority priority, std::vector<UnitLease>* leases) {
  const bool hint = priority == Priority::kHinted;
  events_.push_back({hint ? UseEvent::Kind::kHint : UseEvent::Kind::kDemand, unit});
  ECF8_ASSIGN_OR_RETURN(UnitLease lease, engine_.Acquire({.unit_index = unit,
                                                          .priority = priority,
                                                          .on_progress = UnitNews::Teller(news_)}));
  leases->push_back(std::move(lease));
  return absl::OkStatus();
}

absl::Status ExpertWalk::WaitAndUse(absl::Span<const UnitLease> leases) {
  for (const UnitLease& lease : leases) {
    // What a step and the one behind it hold together may be more than there is.
    if (!news_->WaitUntil(*lease, std::chrono::steady_clock::now() + kPatience)) {
      return absl::ResourceExhaustedError(
          absl::StrCat("nothing has come for ", kPatience.count(),
                       " s: the slots are too few for a layer, its experts and the next layer"));
    }
    ECF8_RETURN_IF_ERROR(lease->status());
    events_.push_back({UseEvent::Kind::kReady, lease->request().unit_index});
    if (use_) ECF8_RETURN_IF_ERROR(use_(*lease));
    ++used_units_;
    used_bytes_ += lease->unit().decoded_size_bytes;
  }
  return absl::OkStatus();
}

void ExpertWalk::GiveBack(std::vector<UnitLease>* leases) {
  for (const UnitLease& lease : *leases) {
    events_.push_back({UseEvent::Kind::kReleased, lease->request().unit_index});
  }
  leases->clear();
}

absl::Status CheckUnit(const HeldUnit& held) {
  for (const Piece& piece : held.unit().pieces) {
    const auto bytes =
        held.slot_dev().subspan(piece.decoded_offset_bytes, piece.decoded_size_bytes);
    if (Xxh3(bytes) == piece.decoded_xxh3) continue;
    return absl::DataLossError(absl::StrCat("model ", Quoted(held.model().name()), ", unit ",
                                            Quoted(held.unit().id), ", tensor ",
                                            Quoted(piece.tensor), ": the decoded bytes are wrong"));
  }
  return absl::OkStatus();
}

}  // namespace ecf8
