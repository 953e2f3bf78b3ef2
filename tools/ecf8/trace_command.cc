#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "tools/ecf8/commands.h"
#include "tools/ecf8/trace_info.h"
#include "tools/ecf8/trace_record.h"

namespace ecf8 {
namespace {

constexpr int kMaxSeconds = 30 * 24 * 3600;

class TraceCommand : public Command {
 public:
  std::string_view name() const override { return "trace"; }
  std::string_view summary() const override {
    return "record what clients ask a daemon for, as `ecf8 bench cache --trace` replays it";
  }

  void AddArguments(Arguments arguments) override {
    record_arguments_ =
        arguments.AddSubcommand("record", "until ^C, --seconds, or the daemon's end");
    record_arguments_->Add("--out", record_.path, "the file to make").Required();
    record_arguments_->Add("--seconds", record_.seconds, "to record; default: until ^C")
        .Range(1, kMaxSeconds);
    record_arguments_->Add("--model", record_.models,
                           "record only this one; may be given several times");
    record_.daemon.AddTo(*record_arguments_);
    Arguments info = arguments.AddSubcommand("info", "what a recorded trace holds");
    info.Add("FILE", info_path_, "a trace").Required();
  }

  absl::Status Run(const CommandContext& context) override {
    return record_arguments_->given() ? RunTraceRecord(record_, context)
                                      : RunTraceInfo(info_path_, context);
  }

 private:
  std::optional<Arguments> record_arguments_;
  TraceRecordOptions record_;
  std::string info_path_;
};

}  // namespace

std::unique_ptr<Command> MakeTraceCommand() { return std::make_unique<TraceCommand>(); }

}  // namespace ecf8
