// What `verify` found.
#ifndef ECF8_LOADER_MODEL_PROBLEM_LIST_H_
#define ECF8_LOADER_MODEL_PROBLEM_LIST_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "loader/base/strings.h"

namespace ecf8 {

// Keeps the first 100 and counts all. Thread-compatible.
class ProblemList {
 public:
  void Add(std::string problem) {
    if (problems_.size() < kMaxKept) problems_.push_back(std::move(problem));
    ++count_;
  }

  // Nothing where `status` is OK.
  void AddStatus(const absl::Status& status) {
    if (!status.ok()) Add(std::string(ToStd(status.message())));
  }

  uint64_t count() const { return count_; }
  std::vector<std::string> Take() && { return std::move(problems_); }

 private:
  static constexpr size_t kMaxKept = 100;

  std::vector<std::string> problems_;
  uint64_t count_ = 0;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_MODEL_PROBLEM_LIST_H_
