// The walk that a session has announced, and where in it the client is.
#ifndef ECF8_LOADER_SESSION_SESSION_WALK_H_
#define ECF8_LOADER_SESSION_SESSION_WALK_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

namespace ecf8 {

// Thread-compatible.
class SessionWalk {
 public:
  SessionWalk() = default;
  // Each unit at most once.
  SessionWalk(std::vector<uint32_t> units, bool cyclic, size_t depth)
      : units_(std::move(units)), cyclic_(cyclic), depth_(std::min(depth, units_.size())) {
    for (size_t i = 0; i < units_.size(); ++i) place_of_.emplace(units_[i], i);
  }

  // The client has come to the unit, which need not be one of the walk.
  void Reached(uint32_t unit) {
    const auto found = place_of_.find(unit);
    if (found != place_of_.end()) next_ = Wrapped(found->second + 1);
  }
  void Skip(uint64_t count) {
    if (units_.empty()) return;
    next_ = Wrapped(next_ + (cyclic_ ? count % units_.size()
                                     : std::min<uint64_t>(count, units_.size() - next_)));
  }

  // The next `depth` units, in order.
  std::vector<uint32_t> Ahead() const {
    std::vector<uint32_t> ahead;
    for (size_t i = 0; i < depth_; ++i) {
      if (!cyclic_ && next_ + i >= units_.size()) break;
      ahead.push_back(units_[(next_ + i) % units_.size()]);
    }
    return ahead;
  }

 private:
  size_t Wrapped(size_t place) const { return cyclic_ ? place % units_.size() : place; }

  std::vector<uint32_t> units_;
  bool cyclic_ = false;
  size_t depth_ = 0;
  size_t next_ = 0;
  std::unordered_map<uint32_t, size_t> place_of_;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_SESSION_SESSION_WALK_H_
