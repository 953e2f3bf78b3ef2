#include "tools/ecf8/tier_units.h"

#include "loader/base/strings.h"

namespace ecf8 {
namespace {

struct NamedTier {
  const char* name;
  v1::MemoryTier tier;
  const char* where;
};

constexpr NamedTier kTiers[] = {
    {"host", v1::MEMORY_TIER_HOST, "in host memory"},
    {"device", v1::MEMORY_TIER_DEVICE, "on the device"},
    {"slots", v1::MEMORY_TIER_SLOTS, "in slots"},
    {"all", v1::MEMORY_TIER_UNSPECIFIED, "in memory"},
};

const NamedTier& Find(const std::string& name) {
  for (const NamedTier& tier : kTiers) {
    if (name == tier.name) return tier;
  }
  return kTiers[0];
}

}  // namespace

void TierUnits::AddTo(Arguments arguments) {
  arguments.Add("MODEL", model_, "a name that `ecf8 models` lists").Required();
  arguments.Add("UNIT", units_, "unit ids that `ecf8 units` lists; none: the whole model");
  std::vector<std::string> names = {"host", "device", "slots"};
  if (tier_ == "all") names.emplace_back("all");
  arguments
      .Add("--tier", tier_,
           "host or device (compressed, in the memory of either), or slots (decoded); default " +
               tier_)
      .OneOf(std::move(names));
}

v1::UnitsInTier TierUnits::ToProto() const {
  v1::UnitsInTier units;
  units.set_model(model_);
  units.mutable_units()->Add(units_.begin(), units_.end());
  units.set_tier(Find(tier_).tier);
  return units;
}

std::string TierUnits::Where() const { return Find(tier_).where; }

std::string TotalsText(const v1::UnitTotals& totals) {
  return std::to_string(totals.units()) + (totals.units() == 1 ? " unit, " : " units, ") +
         FormatBytes(totals.bytes());
}

nlohmann::ordered_json TotalsJson(const v1::UnitTotals& totals) {
  return {{"units", totals.units()}, {"bytes", totals.bytes()}};
}

}  // namespace ecf8
