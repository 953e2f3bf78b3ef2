// A DeviceSink that a test waits at.
#ifndef ECF8_TESTS_SUPPORT_JOB_RESULTS_H_
#define ECF8_TESTS_SUPPORT_JOB_RESULTS_H_

#include <cstddef>
#include <utility>
#include <vector>

#include "loader/base/mutex.h"
#include "loader/engine/device.h"

namespace ecf8::testing {

class JobResults final : public DeviceSink {
 public:
  void OnJobDone(DeviceJobDone done) override {
    MutexLock lock(mutex_);
    done_.push_back(std::move(done));
    news_.NotifyAll();
  }
  size_t count() {
    MutexLock lock(mutex_);
    return done_.size();
  }
  // At least `count` of them, in the order of their completion.
  std::vector<DeviceJobDone> Wait(size_t count) {
    MutexLock lock(mutex_);
    while (done_.size() < count) news_.Wait(lock);
    return std::exchange(done_, {});
  }

 private:
  Mutex mutex_;
  CondVar news_;
  std::vector<DeviceJobDone> done_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_SUPPORT_JOB_RESULTS_H_
