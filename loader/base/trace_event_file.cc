#include "loader/base/trace_event_file.h"

#include <array>
#include <cassert>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <utility>

#include "decoder/status_macros.h"
#include "loader/base/thread.h"

namespace ecf8 {
namespace {

constexpr std::chrono::milliseconds kWriteInterval(100);
constexpr size_t kWriteBytes = 256 << 10;      // written before the interval is over
constexpr size_t kMaxBufferedBytes = 8 << 20;  // not yet written
constexpr char kTail[] = "\n]\n";

void AppendQuoted(std::string_view text, std::string* out) {
  *out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      *out += '\\';
      *out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      std::array<char, 8> escaped{};
      std::snprintf(escaped.data(), escaped.size(), "\\u%04x", c);
      *out += escaped.data();
    } else {
      *out += c;
    }
  }
  *out += '"';
}

// The format has microseconds.
void AppendMicroseconds(const char* key, int64_t ns, std::string* out) {
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), ",\"%s\":%" PRId64 ".%03d", key, ns / 1000,
                static_cast<int>(ns % 1000));
  *out += text.data();
}

std::string BeginEvent(char phase, TraceTrack track, std::string_view name) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(),
                "{\"ph\":\"%c\",\"pid\":%" PRIu32 ",\"tid\":%" PRIu32 ",\"name\":", phase,
                track.group, track.number);
  std::string line = text.data();
  AppendQuoted(name, &line);
  return line;
}

void EndEvent(TraceArguments arguments, std::string* line) {
  const char* separator = ",\"args\":{";
  for (const TraceArgument& argument : arguments) {
    *line += separator;
    separator = ",";
    AppendQuoted(argument.key, line);
    *line += ':';
    if (argument.is_text) {
      AppendQuoted(argument.text, line);
    } else {
      *line += std::to_string(argument.number);
    }
  }
  *line += arguments.size() > 0 ? "}}" : "}";
}

// What a viewer reads instead of a span: the name of a track or group, or its place.
std::string Metadata(TraceTrack track, std::string_view kind, const TraceArgument& value) {
  std::string line = BeginEvent('M', track, kind);
  EndEvent({value}, &line);
  return line;
}

}  // namespace

absl::StatusOr<std::unique_ptr<TraceEventFile>> TraceEventFile::Create(const std::string& path,
                                                                       uint64_t limit_bytes) {
  ECF8_ASSIGN_OR_RETURN(File file, File::CreateForWrite(path));
  std::unique_ptr<TraceEventFile> trace(new TraceEventFile(std::move(file), limit_bytes));
  {
    MutexLock lock(trace->mutex_);
    trace->buffer_ = "[";
  }
  ECF8_ASSIGN_OR_RETURN(trace->thread_, StartThread("no thread to write the trace",
                                                    [raw = trace.get()] { raw->Run(); }));
  return trace;
}

TraceEventFile::~TraceEventFile() { Close().IgnoreError(); }

void TraceEventFile::NameTrack(TraceTrack track, std::string_view group_name,
                               std::string_view name) {
  Add(Metadata(track, "process_name", {"name", group_name}));
  Add(Metadata(track, "process_sort_index", {"sort_index", track.group}));
  Add(Metadata(track, "thread_name", {"name", name}));
  Add(Metadata(track, "thread_sort_index", {"sort_index", track.number}));
}

void TraceEventFile::AddSpan(TraceTrack track, std::string_view name, int64_t begin_ns,
                             int64_t end_ns, TraceArguments arguments) {
  assert(begin_ns >= 0 && begin_ns <= end_ns);
  std::string line = BeginEvent('X', track, name);
  AppendMicroseconds("ts", begin_ns, &line);
  AppendMicroseconds("dur", end_ns - begin_ns, &line);
  EndEvent(arguments, &line);
  Add(line);
}

void TraceEventFile::AddInstant(TraceTrack track, std::string_view name, int64_t time_ns,
                                TraceArguments arguments) {
  assert(time_ns >= 0);
  std::string line = BeginEvent('i', track, name);
  line += ",\"s\":\"t\"";  // the mark is as high as the track
  AppendMicroseconds("ts", time_ns, &line);
  EndEvent(arguments, &line);
  Add(line);
}

void TraceEventFile::Add(const std::string& line) {
  MutexLock lock(mutex_);
  full_ = full_ || taken_bytes_ + buffer_.size() + line.size() > limit_bytes_;
  if (full_ || closing_ || !status_.ok() || buffer_.size() + line.size() > kMaxBufferedBytes) {
    ++info_.left_out;
    return;
  }
  buffer_ += info_.events++ == 0 ? "\n" : ",\n";
  buffer_ += line;
  if (buffer_.size() >= kWriteBytes) work_.NotifyOne();
}

// The first write, of the array's beginning, is at once.
void TraceEventFile::Run() {
  std::string text;
  uint64_t offset_bytes = 0;
  bool last = false;
  while (!last) {
    {
      MutexLock lock(mutex_);
      if (!closing_ && buffer_.size() < kWriteBytes && offset_bytes > 0) {
        work_.WaitUntil(lock, std::chrono::steady_clock::now() + kWriteInterval);
      }
      last = closing_;
      if (last) buffer_ += kTail;
      text.swap(buffer_);
      buffer_.clear();
      taken_bytes_ += text.size();
      if (!status_.ok()) continue;
    }
    const absl::Status status =
        file_.WriteAt(offset_bytes, {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
    offset_bytes += text.size();
    if (status.ok()) continue;
    MutexLock lock(mutex_);
    status_ = status;
  }
}

absl::Status TraceEventFile::Close() {
  {
    MutexLock lock(mutex_);
    closing_ = true;
    work_.NotifyOne();
  }
  if (thread_.joinable()) thread_.join();
  MutexLock lock(mutex_);
  return status_;
}

TraceEventFile::Info TraceEventFile::info() const {
  MutexLock lock(mutex_);
  return info_;
}

}  // namespace ecf8
