// How likely an expert is used again by how long ago it was used last, learned from the intervals
// between uses: the hazard rate that Beckmann and Sanchez, "Maximizing Cache Performance Under
// Uncertainty" (HPCA 2017), rank cache lines by.
#ifndef ECF8_LOADER_CACHE_AGE_HAZARD_H_
#define ECF8_LOADER_CACHE_AGE_HAZARD_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace ecf8 {

// Ages are steps since the last use, at least 1. Thread-compatible.
class AgeHazard {
 public:
  AgeHazard();

  // An expert was used again at this age. What came long before counts less and less.
  void Record(uint32_t age);

  // The chance that an expert of this age is used in the step; above 0. Follows Record with some
  // delay.
  float Chance(uint32_t age) const { return chances_[std::min<size_t>(age, kAges - 1)]; }

 private:
  static constexpr size_t kAges = 1024;   // those above count as the last
  static constexpr size_t kBuckets = 20;  // 1, 2, 3, 4, 5-6, 7-8, 9-12, 13-16, ... 769-1023

  static size_t Bucket(uint32_t age);
  static double BucketWidth(size_t bucket);
  void Refresh();

  std::array<double, kBuckets> uses_{};  // at ages of the bucket
  std::array<float, kAges> chances_;
  uint32_t recorded_ = 0;  // since the last Refresh
};

}  // namespace ecf8

#endif  // ECF8_LOADER_CACHE_AGE_HAZARD_H_
