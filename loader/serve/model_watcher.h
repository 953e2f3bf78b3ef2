// Serves what lies in the model roots, as it comes and goes.
//
// A child directory of a root that is a complete compressed model is added; one that is not there
// any more, or is none any more, is removed; one with other weights replaces what it was. What is
// damaged is told once, and looked at again when something changes in it: a model may be copied
// into a root file by file. What a client has removed stays removed until its directory goes or
// holds other weights. Nothing is polled.
#ifndef ECF8_LOADER_SERVE_MODEL_WATCHER_H_
#define ECF8_LOADER_SERVE_MODEL_WATCHER_H_

#include <atomic>
#include <compare>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "loader/base/directory_events.h"
#include "loader/model/model_directory.h"
#include "loader/serve/model_roots.h"
#include "loader/serve/model_set.h"

namespace ecf8 {

// Called on the watcher's thread, or that of Start.
struct WatchNews {
  std::function<void(const CompressedModel&)> on_added{};
  std::function<void(std::string_view name)> on_removed{};
  // With a path in the message.
  std::function<void(const absl::Status&)> on_problem{};
};

class ModelWatcher {
 public:
  // What is in the roots now is served when it returns. `models` outlives the watcher. The errors
  // of DirectoryEvents::Watch for a root, and RESOURCE_EXHAUSTED where there is no thread.
  static absl::StatusOr<std::unique_ptr<ModelWatcher>> Start(
      const ModelRoots& roots, ModelSet& models, std::unique_ptr<DirectoryEvents> events,
      WatchNews news);
  ModelWatcher(const ModelWatcher&) = delete;
  ModelWatcher& operator=(const ModelWatcher&) = delete;
  // What is served stays so.
  ~ModelWatcher();

 private:
  // A child of a root.
  struct Place {
    size_t root = 0;
    std::string name;

    auto operator<=>(const Place&) const = default;
  };
  struct Child {
    int watch = -1;      // -1: none could be had
    std::string digest;  // of the last model that was seen in it and offered; empty: none
    bool told = false;   // what is wrong with it
  };

  ModelWatcher(const ModelRoots& roots, ModelSet& models, std::unique_ptr<DirectoryEvents> events,
               WatchNews news);

  absl::Status WatchRoots();
  void Run();
  // Notes which children are to be looked at.
  void Note(const DirectoryEvent& event);
  void NoteChild(const Place& place);
  void NoteChildrenOf(size_t root);
  void LookAtNoted();

  void Look(const Place& place);
  void WatchChild(Child& child, const Place& place, const ModelDirectory& directory);
  void UnwatchChild(Child& child, const Place& place);
  void Offer(Child& child, const Place& place, bool replaced,
             std::shared_ptr<const CompressedModel> model);
  void Drop(const Place& place);
  void StopServing(const Place& place);
  std::string PathOf(const Place& place) const;
  void TellOnce(Child& child, const Place& place, const absl::Status& status);
  void Tell(const absl::Status& status) const;

  const std::vector<std::string> roots_;
  ModelSet& models_;
  const std::unique_ptr<DirectoryEvents> events_;
  const WatchNews news_;

  std::map<int, size_t> root_watches_;
  std::map<int, std::set<Place>> child_watches_;  // several where links lead to one directory
  std::map<Place, Child> children_;
  std::set<Place> noted_;
  std::set<Place> gone_;  // of those: what was there is not any more, whatever is
  bool told_limits_ = false;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_SERVE_MODEL_WATCHER_H_
