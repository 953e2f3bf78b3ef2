#include "loader/session/resident_loader.h"

#include <utility>

#include "loader/session/open_session.h"

namespace ecf8 {

void ResidentLoader::Load(const std::shared_ptr<const EngineModel>& model) {
  const uint32_t number = model->number();
  const auto task = std::make_shared<PreloadTask>(
      engine_, PreloadOrder{.set = ResidentSet(*model), .model = model}, pool_,
      [this, number, model](const absl::StatusOr<PreloadProgress>& progress, int64_t) {
        OnNews(number, *model->model(), progress);
      });
  {
    MutexLock lock(mutex_);
    if (stopped_ || !tasks_.emplace(number, task).second) return;
  }
  task->Start();
}

void ResidentLoader::OnNews(uint32_t number, const CompressedModel& model,
                            const absl::StatusOr<PreloadProgress>& progress) {
  if (progress.ok() && !progress->is_done) return;
  {
    MutexLock lock(mutex_);
    tasks_.erase(number);
  }
  on_end_(model, progress);
}

void ResidentLoader::Stop() {
  std::map<uint32_t, std::shared_ptr<PreloadTask>> tasks;
  {
    MutexLock lock(mutex_);
    stopped_ = true;
    tasks.swap(tasks_);
  }
  for (const auto& [number, task] : tasks) task->Stop();
}

}  // namespace ecf8
