// Keeps what an engine has learned of its models' experts over restarts: a file a model and tier in
// one directory, <digest>-<tier>.heat (loader/cache/heat_file.h).
//
// Nothing that goes wrong here hurts the engine: it only begins with less knowledge.
#ifndef ECF8_LOADER_ENGINE_HEAT_KEEPER_H_
#define ECF8_LOADER_ENGINE_HEAT_KEEPER_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "loader/base/mutex.h"
#include "loader/engine/engine.h"
#include "loader/engine/engine_model.h"
#include "loader/model/compressed_model.h"

namespace ecf8 {

struct HeatKeeperOptions {
  std::string directory;  // made, for this user alone, where it is not there
  std::chrono::milliseconds interval = std::chrono::minutes(5);  // between two writes
  // Told what went wrong, on any thread, one call at a time.
  std::function<void(const absl::Status&)> on_problem{};
};

// Thread-safe.
class HeatKeeper {
 public:
  // RESOURCE_EXHAUSTED where there is no thread. The engine outlives the keeper.
  static absl::StatusOr<std::unique_ptr<HeatKeeper>> Start(Engine& engine,
                                                           HeatKeeperOptions options);
  HeatKeeper(const HeatKeeper&) = delete;
  HeatKeeper& operator=(const HeatKeeper&) = delete;
  // Writes a last time.
  ~HeatKeeper();

  // Gives the engine what the directory holds for the model, and keeps what it learns from here on.
  // Files that are damaged, or of another version or model, are a problem to tell, and stay until
  // they are replaced. Blocks for the files.
  void Add(std::shared_ptr<const EngineModel> model);

  // Writes soon what was learned of a model that was added, and lets go of it. Never blocks.
  void Remove(const std::shared_ptr<const EngineModel>& model);

  // Files read and written since the start.
  size_t files_read() const;
  size_t files_written() const;

 private:
  using Models = std::vector<std::shared_ptr<const EngineModel>>;

  HeatKeeper(Engine& engine, HeatKeeperOptions options)
      : engine_(engine), options_(std::move(options)) {}

  std::string PathOf(const CompressedModel& model, const std::string& tier) const;
  void MakeDirectory() ABSL_EXCLUSIVE_LOCKS_REQUIRED(files_mutex_);
  void Read(const EngineModel& model) ABSL_EXCLUSIVE_LOCKS_REQUIRED(files_mutex_);
  void Write(const EngineModel& model) ABSL_EXCLUSIVE_LOCKS_REQUIRED(files_mutex_);
  void WriteLeaving() ABSL_EXCLUSIVE_LOCKS_REQUIRED(files_mutex_);
  void Run();
  void Tell(const absl::Status& status) const;

  Engine& engine_;
  const HeatKeeperOptions options_;

  Mutex files_mutex_;  // before mutex_
  // Demands of the tiers when they were written, by model and tier.
  std::map<uint32_t, std::map<std::string, uint64_t>> written_demands_
      ABSL_GUARDED_BY(files_mutex_);

  mutable Mutex mutex_;
  CondVar news_;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  Models models_ ABSL_GUARDED_BY(mutex_);
  Models leaving_ ABSL_GUARDED_BY(mutex_);  // to be written and let go: before the next is added
  size_t files_read_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t files_written_ ABSL_GUARDED_BY(mutex_) = 0;
  std::thread thread_;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_ENGINE_HEAT_KEEPER_H_
