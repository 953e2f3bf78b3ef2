#include "loader/session/resident_loader.h"

#include <utility>

#include "loader/session/open_session.h"

namespace ecf8 {

void ResidentLoader::Load(const std::shared_ptr<const EngineModel>& model, UnitForm form) {
  const Key key(model->number(), form);
  const auto task = std::make_shared<PreloadTask>(
      engine_, PreloadOrder{.set = ResidentSet(*model, form), .model = model}, pool_,
      [this, key, model](const absl::StatusOr<PreloadProgress>& progress, int64_t) {
        OnNews(key, *model->model(), progress);
      });
  {
    MutexLock lock(mutex_);
    if (stopped_ || !tasks_.emplace(key, task).second) return;
  }
  task->Start();
}

void ResidentLoader::OnNews(const Key& key, const CompressedModel& model,
                            const absl::StatusOr<PreloadProgress>& progress) {
  if (progress.ok() && !progress->is_done) return;
  {
    MutexLock lock(mutex_);
    tasks_.erase(key);
  }
  on_end_(model, progress);
}

void ResidentLoader::Stop() {
  std::map<Key, std::shared_ptr<PreloadTask>> tasks;
  {
    MutexLock lock(mutex_);
    stopped_ = true;
    tasks.swap(tasks_);
  }
  for (const auto& [key, task] : tasks) task->Stop();
}

}  // namespace ecf8
