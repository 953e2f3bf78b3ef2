// Shows on stderr how far a job is: on a terminal one line that is redrawn (bar, percent, rate,
// time left), elsewhere a plain line at every 10 % and after 5 seconds without one.
//
//   ProgressReporter progress("compress");
//   options.progress = [&](const Progress& p) { progress.Update(p.done_bytes, p.total_bytes); };
//   ...
//   progress.Finish();   // before results or errors are printed
#ifndef ECF8_TOOLS_ECF8_PROGRESS_H_
#define ECF8_TOOLS_ECF8_PROGRESS_H_

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

namespace ecf8 {

// Thread-compatible.
class ProgressReporter {
 public:
  using Clock = std::chrono::steady_clock;

  // Reports to stderr, which is asked whether it is a terminal. `label` begins the line.
  explicit ProgressReporter(std::string label);

  // For tests: reports to `out` (borrowed), as to a terminal of `columns` columns, or in plain
  // lines where `columns` is 0; `now` tells the time.
  ProgressReporter(std::string label, std::FILE* out, int columns, Clock::time_point (*now)());

  ProgressReporter(const ProgressReporter&) = delete;
  ProgressReporter& operator=(const ProgressReporter&) = delete;
  ~ProgressReporter();

  // May be called as often as one likes; writes only when there is something new to see. A
  // `total_bytes` of 0 means that there is nothing to do.
  void Update(uint64_t done_bytes, uint64_t total_bytes);

  // Shows the last state and ends the line. Further calls do nothing.
  void Finish();

 private:
  void Draw();       // the terminal's line
  void PrintLine();  // a plain line

  std::string label_;
  std::FILE* out_;
  int columns_;
  Clock::time_point (*now_)();
  Clock::time_point started_;
  Clock::time_point shown_at_;
  uint64_t done_bytes_ = 0;
  uint64_t total_bytes_ = 0;
  uint64_t shown_percent_ = 0;
  bool begun_ = false;  // Update was called
  bool stale_ = false;  // something has not been shown
  bool finished_ = false;
};

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_PROGRESS_H_
