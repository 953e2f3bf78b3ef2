#include "loader/cache/age_hazard.h"

#include <bit>

namespace ecf8 {
namespace {

constexpr uint32_t kRecordsPerRefresh = 256;
constexpr double kMaxUses = 100'000;  // then all are halved, so that new ones keep their say
constexpr double kPrior = 0.01;       // uses of a bucket before any was seen

}  // namespace

AgeHazard::AgeHazard() { chances_.fill(static_cast<float>(kPrior)); }

size_t AgeHazard::Bucket(uint32_t age) {
  if (age <= 4) return std::max(age, 1u) - 1;
  const auto width = static_cast<size_t>(std::bit_width(age - 1));  // 3 for 5 to 8
  const size_t upper_half = (age - 1) >> (width - 2) & 1;
  return std::min(4 + (width - 3) * 2 + upper_half, kBuckets - 1);
}

double AgeHazard::BucketWidth(size_t bucket) {
  return bucket < 4 ? 1 : static_cast<double>(size_t{2} << (bucket - 4) / 2);
}

void AgeHazard::Record(uint32_t age) {
  uses_[Bucket(age)] += 1;
  if (++recorded_ < kRecordsPerRefresh) return;
  recorded_ = 0;
  Refresh();
}

void AgeHazard::Refresh() {
  std::array<float, kBuckets> hazard;
  double older = 0;  // uses at ages above the bucket: experts that lived through it unused
  for (size_t b = kBuckets; b-- > 0;) {
    const double width = BucketWidth(b);
    const double exposed_steps = width * (older + 1) + uses_[b] * (width + 1) / 2;
    hazard[b] = static_cast<float>((uses_[b] + kPrior) / exposed_steps);
    older += uses_[b];
  }
  for (uint32_t age = 0; age < kAges; ++age) chances_[age] = hazard[Bucket(age)];
  if (older < kMaxUses) return;
  for (double& uses : uses_) uses /= 2;
}

}  // namespace ecf8
