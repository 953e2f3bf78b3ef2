#include "tools/ecf8/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "loader/base/strings.h"
#include "tools/ecf8/text.h"

namespace ecf8 {
namespace {

constexpr std::chrono::milliseconds kRedrawInterval(100);
constexpr std::chrono::seconds kLineInterval(5);
constexpr uint64_t kLinePercent = 10;
constexpr int kMaxBarColumns = 30;
constexpr int kMinBarColumns = 10;

// 0 where `file` is no terminal.
int TerminalColumns(std::FILE* file) {
  if (isatty(fileno(file)) == 0) return 0;
  winsize size = {};
  const bool known = ioctl(fileno(file), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

uint64_t Percent(uint64_t done, uint64_t total) {
  if (total == 0) return 100;
  const double share = static_cast<double>(done) / static_cast<double>(total);
  return std::min<uint64_t>(static_cast<uint64_t>(share * 100), 100);
}

// "1.20 GB of 4.00 GB, 210 MB/s, 13.3 s left"
std::string Describe(uint64_t done, uint64_t total, double seconds) {
  std::string text = FormatBytes(done) + " of " + FormatBytes(total);
  if (seconds <= 0 || done == 0) return text;
  text += ", " + FormatRate(done, seconds);
  if (done >= total) return text + ", " + FormatSeconds(seconds);
  const double left = seconds * static_cast<double>(total - done) / static_cast<double>(done);
  return text + ", " + FormatSeconds(left) + " left";
}

std::string Bar(uint64_t percent, int columns) {
  const size_t filled = static_cast<size_t>(columns) * percent / 100;
  return absl::StrCat("[", std::string(filled, '#'),
                      std::string(static_cast<size_t>(columns) - filled, '.'), "] ");
}

}  // namespace

ProgressReporter::ProgressReporter(std::string label)
    : ProgressReporter(std::move(label), stderr, TerminalColumns(stderr), &Clock::now) {}

ProgressReporter::ProgressReporter(std::string label, std::FILE* out, int columns,
                                   Clock::time_point (*now)())
    : label_(std::move(label)),
      out_(out),
      columns_(columns),
      now_(now),
      started_(now()),
      shown_at_(started_) {}

ProgressReporter::~ProgressReporter() { Finish(); }

void ProgressReporter::Update(uint64_t done_bytes, uint64_t total_bytes) {
  if (finished_) return;
  done_bytes_ = std::min(done_bytes, total_bytes);
  total_bytes_ = total_bytes;
  const bool first = !std::exchange(begun_, true);
  stale_ = true;
  const auto since = now_() - shown_at_;
  if (columns_ > 0) {
    if (first || since >= kRedrawInterval) Draw();
  } else if (Percent(done_bytes_, total_bytes_) >= shown_percent_ + kLinePercent ||
             since >= kLineInterval) {
    PrintLine();
  }
}

void ProgressReporter::Finish() {
  if (std::exchange(finished_, true) || !begun_) return;
  if (columns_ > 0) {
    Draw();
    std::fputc('\n', out_);
  } else if (stale_) {
    PrintLine();
  }
  std::fflush(out_);
}

void ProgressReporter::Draw() {
  const uint64_t percent = Percent(done_bytes_, total_bytes_);
  const double seconds = std::chrono::duration<double>(now_() - started_).count();
  const std::string head = label_ + " ";
  const std::string tail = (percent < 10    ? "  "
                            : percent < 100 ? " "
                                            : "") +
                           std::to_string(percent) + "% " +
                           Describe(done_bytes_, total_bytes_, seconds);
  // The last column stays free: some terminals wrap when it is written.
  const int room = columns_ - 1 - static_cast<int>(head.size() + tail.size()) - 3;
  std::string line = head;
  if (room >= kMinBarColumns) line += Bar(percent, std::min(room, kMaxBarColumns));
  line += tail;
  line.resize(std::min(line.size(), static_cast<size_t>(std::max(columns_ - 1, 1))));
  std::fprintf(out_, "\r%s\x1b[K", line.c_str());  // and clear what an older, longer line left
  std::fflush(out_);
  shown_at_ = now_();
  stale_ = false;
}

void ProgressReporter::PrintLine() {
  const uint64_t percent = Percent(done_bytes_, total_bytes_);
  const double seconds = std::chrono::duration<double>(now_() - started_).count();
  std::fprintf(out_, "%s: %llu%%, %s\n", label_.c_str(), static_cast<unsigned long long>(percent),
               Describe(done_bytes_, total_bytes_, seconds).c_str());
  std::fflush(out_);
  shown_at_ = now_();
  shown_percent_ = percent - percent % kLinePercent;
  stale_ = false;
}

}  // namespace ecf8
