#include "loader/engine/heat_keeper.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/file.h"
#include "loader/base/strings.h"
#include "loader/base/thread.h"
#include "loader/cache/heat_file.h"

namespace ecf8 {
namespace {

using Clock = std::chrono::steady_clock;

// A model without experts has nothing to learn.
bool HasHeat(const TierHeat& heat) {
  return std::any_of(heat.chances.begin(), heat.chances.end(), [](float c) { return c > 0; });
}

}  // namespace

absl::StatusOr<std::unique_ptr<HeatKeeper>> HeatKeeper::Start(Engine& engine,
                                                              HeatKeeperOptions options) {
  std::unique_ptr<HeatKeeper> keeper(new HeatKeeper(engine, std::move(options)));
  {
    MutexLock files(keeper->files_mutex_);
    keeper->MakeDirectory();
  }
  ECF8_ASSIGN_OR_RETURN(keeper->thread_, StartThread("no thread to keep what is learned",
                                                     [raw = keeper.get()] { raw->Run(); }));
  return keeper;
}

HeatKeeper::~HeatKeeper() {
  {
    MutexLock lock(mutex_);
    ending_ = true;
    news_.NotifyOne();
  }
  if (thread_.joinable()) thread_.join();
}

std::string HeatKeeper::PathOf(const CompressedModel& model, const std::string& tier) const {
  return absl::StrCat(options_.directory, "/", model.digest(), "-", tier, ".heat");
}

void HeatKeeper::MakeDirectory() {
  if (mkdir(options_.directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return Tell(ErrnoStatus(errno, absl::StrCat("cannot make ", Quoted(options_.directory))));
  }
  struct stat stat {};
  if (::stat(options_.directory.c_str(), &stat) != 0 || !S_ISDIR(stat.st_mode)) {
    Tell(absl::FailedPreconditionError(
        absl::StrCat(Quoted(options_.directory), " is not a directory")));
  }
}

void HeatKeeper::Add(std::shared_ptr<const EngineModel> model) {
  MutexLock files(files_mutex_);
  WriteLeaving();  // the same model may come back
  Read(*model);
  MutexLock lock(mutex_);
  models_.push_back(std::move(model));
}

void HeatKeeper::Remove(const std::shared_ptr<const EngineModel>& model) {
  MutexLock lock(mutex_);
  if (std::erase(models_, model) == 0) return;
  leaving_.push_back(model);
  news_.NotifyOne();
}

void HeatKeeper::Read(const EngineModel& added) {
  const CompressedModel& model = *added.model();
  std::vector<TierHeat> kept = engine_.ExportHeat(added.number());
  std::erase_if(kept, [&](TierHeat& heat) {
    if (!HasHeat(heat)) return true;
    absl::StatusOr<ModelHeat> read =
        ReadHeat(PathOf(model, heat.tier), model.digest_value(), model.unit_count());
    if (!read.ok()) {
      if (!absl::IsNotFound(read.status())) Tell(read.status());
      return true;
    }
    heat.chances = std::move(read->chances);
    return false;
  });
  engine_.ImportHeat(added.number(), kept);
  MutexLock lock(mutex_);
  files_read_ += kept.size();
}

// What was not used since it was written, or read, stays as it is: to give it to a policy and take
// it back loses a little.
void HeatKeeper::Write(const EngineModel& written) {
  const CompressedModel& model = *written.model();
  for (TierHeat& heat : engine_.ExportHeat(written.number())) {
    uint64_t& written_demands = written_demands_[written.number()][heat.tier];
    if (!HasHeat(heat) || heat.demands == written_demands) continue;
    const absl::Status status =
        WriteHeat(PathOf(model, heat.tier),
                  {.digest = model.digest_value(), .chances = std::move(heat.chances)});
    if (!status.ok()) {
      Tell(status);
      continue;
    }
    written_demands = heat.demands;
    MutexLock lock(mutex_);
    ++files_written_;
  }
}

void HeatKeeper::WriteLeaving() {
  Models leaving;
  {
    MutexLock lock(mutex_);
    leaving.swap(leaving_);
  }
  for (const auto& model : leaving) {
    Write(*model);
    written_demands_.erase(model->number());
  }
}

void HeatKeeper::Run() {
  auto next = Clock::now() + options_.interval;
  bool ending = false;
  while (!ending) {
    Models staying;
    {
      MutexLock lock(mutex_);
      while (!ending_ && leaving_.empty() && Clock::now() < next) news_.WaitUntil(lock, next);
      ending = ending_;
      if (ending || Clock::now() >= next) {
        staying = models_;
        next = Clock::now() + options_.interval;
      }
    }
    MutexLock files(files_mutex_);
    WriteLeaving();
    for (const auto& model : staying) Write(*model);
  }
}

void HeatKeeper::Tell(const absl::Status& status) const {
  if (options_.on_problem) options_.on_problem(status);
}

size_t HeatKeeper::files_read() const {
  MutexLock lock(mutex_);
  return files_read_;
}

size_t HeatKeeper::files_written() const {
  MutexLock lock(mutex_);
  return files_written_;
}

}  // namespace ecf8
