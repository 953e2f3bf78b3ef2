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
  // Gives the engine what the directory holds for its models, which are numbered in order. Files
  // that are damaged, or of another version or model, are a problem to tell, and stay until they
  // are replaced. RESOURCE_EXHAUSTED where there is no thread. The engine outlives the keeper.
  static absl::StatusOr<std::unique_ptr<HeatKeeper>> Start(
      Engine& engine, std::vector<std::shared_ptr<const CompressedModel>> models,
      HeatKeeperOptions options);
  HeatKeeper(const HeatKeeper&) = delete;
  HeatKeeper& operator=(const HeatKeeper&) = delete;
  // Writes a last time.
  ~HeatKeeper();

  // Files read at the start, and written since.
  size_t files_read() const { return files_read_; }
  size_t files_written() const;

 private:
  HeatKeeper(Engine& engine, std::vector<std::shared_ptr<const CompressedModel>> models,
             HeatKeeperOptions options)
      : engine_(engine), models_(std::move(models)), options_(std::move(options)) {}

  std::string PathOf(const CompressedModel& model, const std::string& tier) const;
  void Read();
  void Write();
  void Run();
  void Tell(const absl::Status& status) const;

  Engine& engine_;
  const std::vector<std::shared_ptr<const CompressedModel>> models_;
  const HeatKeeperOptions options_;
  size_t files_read_ = 0;
  // The thread's: demands of the tiers when they were written, by path.
  std::map<std::string, uint64_t> written_demands_;

  mutable Mutex mutex_;
  CondVar ending_news_;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  size_t files_written_ ABSL_GUARDED_BY(mutex_) = 0;
  std::thread thread_;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_ENGINE_HEAT_KEEPER_H_
