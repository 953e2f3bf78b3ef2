#include <memory>
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

  void AddOptions(CLI::App& app) override {
    record_app_ = app.add_subcommand("record", "until ^C, --seconds, or the daemon's end");
    record_app_->add_option("--out", record_.path, "the file to make")->required();
    record_app_->add_option("--seconds", record_.seconds, "to record; default: until ^C")
        ->check(CLI::Range(1, kMaxSeconds));
    record_app_
        ->add_option("--model", record_.models, "record only this one; may be given several times")
        ->allow_extra_args(false);
    record_.daemon.AddTo(*record_app_);
    CLI::App* info = app.add_subcommand("info", "what a recorded trace holds");
    info->add_option("FILE", info_path_, "a trace")->required();
    app.require_subcommand(1);
  }

  absl::Status Run(const CommandContext& context) override {
    return record_app_->parsed() ? RunTraceRecord(record_, context)
                                 : RunTraceInfo(info_path_, context);
  }

 private:
  CLI::App* record_app_ = nullptr;  // CLI11's
  TraceRecordOptions record_;
  std::string info_path_;
};

}  // namespace

std::unique_ptr<Command> MakeTraceCommand() { return std::make_unique<TraceCommand>(); }

}  // namespace ecf8
