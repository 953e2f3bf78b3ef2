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

// A model without experts has nothing to learn.
bool HasHeat(const TierHeat& heat) {
  return std::any_of(heat.chances.begin(), heat.chances.end(), [](float c) { return c > 0; });
}

uint64_t DigestOf(const CompressedModel& model) { return *ParseHex64(model.digest()); }

}  // namespace

absl::StatusOr<std::unique_ptr<HeatKeeper>> HeatKeeper::Start(
    Engine& engine, std::vector<std::shared_ptr<const CompressedModel>> models,
    HeatKeeperOptions options) {
  std::unique_ptr<HeatKeeper> keeper(new HeatKeeper(engine, std::move(models), std::move(options)));
  keeper->Read();
  ECF8_ASSIGN_OR_RETURN(keeper->thread_, StartThread("no thread to keep what is learned",
                                                     [raw = keeper.get()] { raw->Run(); }));
  return keeper;
}

HeatKeeper::~HeatKeeper() {
  {
    MutexLock lock(mutex_);
    ending_ = true;
    ending_news_.NotifyOne();
  }
  if (thread_.joinable()) thread_.join();
}

std::string HeatKeeper::PathOf(const CompressedModel& model, const std::string& tier) const {
  return absl::StrCat(options_.directory, "/", model.digest(), "-", tier, ".heat");
}

void HeatKeeper::Read() {
  if (mkdir(options_.directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return Tell(ErrnoStatus(errno, absl::StrCat("cannot make ", Quoted(options_.directory))));
  }
  struct stat stat {};
  if (::stat(options_.directory.c_str(), &stat) != 0 || !S_ISDIR(stat.st_mode)) {
    return Tell(absl::FailedPreconditionError(
        absl::StrCat(Quoted(options_.directory), " is not a directory")));
  }
  for (uint32_t number = 0; number < models_.size(); ++number) {
    const CompressedModel& model = *models_[number];
    std::vector<TierHeat> kept = engine_.ExportHeat(number);
    std::erase_if(kept, [&](TierHeat& heat) {
      if (!HasHeat(heat)) return true;
      absl::StatusOr<ModelHeat> read =
          ReadHeat(PathOf(model, heat.tier), DigestOf(model), model.unit_count());
      if (!read.ok()) {
        if (!absl::IsNotFound(read.status())) Tell(read.status());
        return true;
      }
      heat.chances = std::move(read->chances);
      return false;
    });
    files_read_ += kept.size();
    engine_.ImportHeat(number, kept);
  }
}

// What was not used since it was written, or read, stays as it is: to give it to a policy and take
// it back loses a little.
void HeatKeeper::Write() {
  for (uint32_t number = 0; number < models_.size(); ++number) {
    const CompressedModel& model = *models_[number];
    for (TierHeat& heat : engine_.ExportHeat(number)) {
      const std::string path = PathOf(model, heat.tier);
      if (!HasHeat(heat) || heat.demands == written_demands_[path]) continue;
      const absl::Status status =
          WriteHeat(path, {.digest = DigestOf(model), .chances = std::move(heat.chances)});
      if (!status.ok()) {
        Tell(status);
        continue;
      }
      written_demands_[path] = heat.demands;
      MutexLock lock(mutex_);
      ++files_written_;
    }
  }
}

void HeatKeeper::Run() {
  bool last = false;
  while (!last) {
    {
      MutexLock lock(mutex_);
      const auto next = std::chrono::steady_clock::now() + options_.interval;
      while (!ending_ && ending_news_.WaitUntil(lock, next)) {
      }
      last = ending_;
    }
    Write();
  }
}

void HeatKeeper::Tell(const absl::Status& status) const {
  if (options_.on_problem) options_.on_problem(status);
}

size_t HeatKeeper::files_written() const {
  MutexLock lock(mutex_);
  return files_written_;
}

}  // namespace ecf8
