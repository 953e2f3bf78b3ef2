// Spans on a time axis, written to a file that ui.perfetto.dev and chrome://tracing show: the JSON
// array of the trace event format ("Trace Event Format", Google, 2016), an event a line. Both take
// an array that does not end, so that what a killed process leaves behind is as good as whole.
//
//   ECF8_ASSIGN_OR_RETURN(auto file, TraceEventFile::Create(path, 256 << 20));
//   file->NameTrack({kDisk, 0}, "disk", "reads, lane 0");
//   file->AddSpan({kDisk, 0}, "layers.3", begin_ns, end_ns, {{"size_bytes", 4 << 20}});
#ifndef ECF8_LOADER_BASE_TRACE_EVENT_FILE_H_
#define ECF8_LOADER_BASE_TRACE_EVENT_FILE_H_

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "loader/base/file.h"
#include "loader/base/mutex.h"

namespace ecf8 {

// A line of the picture. Tracks of a group stand together; groups and tracks are in order of their
// numbers.
struct TraceTrack {
  uint32_t group = 0;
  uint32_t number = 0;
};

// Something to know about an event: a text, or a number.
struct TraceArgument {
  TraceArgument(std::string_view k, std::string_view t) : key(k), text(t), is_text(true) {}
  TraceArgument(std::string_view k, uint64_t n) : key(k), number(n) {}

  std::string_view key;
  std::string_view text;
  uint64_t number = 0;
  bool is_text = false;
};

using TraceArguments = std::initializer_list<TraceArgument>;

// Thread-safe. Adding an event makes its line of text and never waits for the disk: a thread
// writes, every 100 ms or sooner. What comes faster than it can write, or after the file has
// reached its limit or could not be written, is counted and left out.
class TraceEventFile {
 public:
  // The file is at most `limit_bytes` long, and a few hundred more. ALREADY_EXISTS where `path`
  // exists, else File's errors.
  static absl::StatusOr<std::unique_ptr<TraceEventFile>> Create(const std::string& path,
                                                                uint64_t limit_bytes);
  TraceEventFile(const TraceEventFile&) = delete;
  TraceEventFile& operator=(const TraceEventFile&) = delete;
  // Closes it.
  ~TraceEventFile();

  // Names are any UTF-8. Times are those of std::chrono::steady_clock, or of any other clock that
  // all events share.
  void NameTrack(TraceTrack track, std::string_view group_name, std::string_view name);
  // Spans of one track follow each other or lie within each other; of two that begin together, the
  // longer one is added first.
  void AddSpan(TraceTrack track, std::string_view name, int64_t begin_ns, int64_t end_ns,
               TraceArguments arguments);
  void AddInstant(TraceTrack track, std::string_view name, int64_t time_ns,
                  TraceArguments arguments);

  // Writes what is left and ends the array. Nothing is added after it. OK, or why the file could
  // not be written.
  absl::Status Close();

  struct Info {
    uint64_t events = 0;  // in the file, or soon
    uint64_t left_out = 0;
  };
  Info info() const;

 private:
  TraceEventFile(File file, uint64_t limit_bytes)
      : limit_bytes_(limit_bytes), file_(std::move(file)) {}

  void Add(const std::string& line);
  void Run();

  const uint64_t limit_bytes_;

  mutable Mutex mutex_;
  CondVar work_;
  File file_;  // the thread's
  std::string buffer_ ABSL_GUARDED_BY(mutex_);
  uint64_t taken_bytes_ ABSL_GUARDED_BY(mutex_) = 0;  // out of the buffer, to be written
  Info info_ ABSL_GUARDED_BY(mutex_);
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  bool full_ ABSL_GUARDED_BY(mutex_) = false;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_BASE_TRACE_EVENT_FILE_H_
