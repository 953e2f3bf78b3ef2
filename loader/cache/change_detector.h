// Notices that a habit has ended: a mean that was steady rises. The Page-Hinkley test (Page,
// "Continuous Inspection Schemes", Biometrika 41, 1954), with the mean learned as it goes.
#ifndef ECF8_LOADER_CACHE_CHANGE_DETECTOR_H_
#define ECF8_LOADER_CACHE_CHANGE_DETECTOR_H_

#include <algorithm>
#include <cstdint>

namespace ecf8 {

// Fed with surprises, in nats: how little each use was expected by what was learned. A surprise of
// a tenth of a nat above the mean is let pass; what exceeds that adds up, and at 150 nats (a chance
// of e^-150, were the habit still the same) the change is certain. Thread-compatible, copyable.
class ChangeDetector {
 public:
  // True: the habit has changed. The detector then begins anew.
  bool Add(double surprise) {
    ++count_;
    mean_ += (surprise - mean_) / static_cast<double>(std::min(count_, kMemory));
    if (count_ <= kWarmUp) return false;
    excess_ = std::max(0.0, excess_ + surprise - mean_ - kTolerance);
    if (excess_ <= kThreshold) return false;
    *this = ChangeDetector();
    return true;
  }

 private:
  static constexpr uint64_t kWarmUp = 1000;
  static constexpr uint64_t kMemory = 20'000;
  static constexpr double kTolerance = 0.1;
  static constexpr double kThreshold = 150;

  uint64_t count_ = 0;
  double mean_ = 0;
  double excess_ = 0;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_CACHE_CHANGE_DETECTOR_H_
